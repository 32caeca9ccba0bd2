import { normaliseEmail } from '#services/core/identity/users/email.ts';
import { SEVERITIES, type Severity } from '#services/core/security/incident-shapes.ts';
import { shownUrl } from '#services/core/shared/shown-url.ts';
import { cutText } from '#services/platform/define/cut-text.ts';
import type { AlertTargetView, NewAlertTarget } from './contract.ts';
import { alertTargetInvalid } from './errors.ts';
import type { ListedTarget } from './targets.store.ts';

const MAIL = /^[^\s@,;<>"]{1,64}@[^\s@,;<>"]{1,189}$/;

/** A target as it may be shown. */
export const viewOf = (row: ListedTarget): AlertTargetView => ({
  target_id: row.id,
  name: row.name,
  kind: row.kind,
  destination: row.shown,
  sources: [...row.sources],
  min_severity: row.severities[0] ?? 'low',
  is_down: row.failures > 0 && row.isOpen,
  waiting: row.waiting,
  created_at: row.createdAt,
});

type Address = { readonly address: string; readonly shown: string };

/** The address as it is used, and what of it may be shown: the path of a Slack webhook is a secret. */
export function addressOf({ kind, url, to }: Pick<NewAlertTarget, 'kind' | 'url' | 'to'>): Address {
  if (kind === 'mail') {
    const address = normaliseEmail(to ?? '');
    if (url !== undefined || !MAIL.test(address))
      throw alertTargetInvalid({ detail: 'A target of the kind mail has `to`, a mail address, and no `url`.' });
    return { address, shown: address };
  }
  const parsed = to === undefined && url !== undefined && URL.canParse(url) ? new URL(url) : undefined;
  const isWeb = parsed?.protocol === 'https:' || parsed?.protocol === 'http:';
  if (parsed === undefined || !isWeb || parsed.username !== '' || parsed.password !== '' || parsed.hash !== '')
    throw alertTargetInvalid({
      detail: `A target of the kind ${kind} has \`url\`, an https URL without credentials and fragment, and no \`to\`.`,
    });
  const shown = kind === 'slack' ? `${parsed.origin}/…` : shownUrl(parsed);
  return { address: parsed.href, shown: cutText(shown, 512) };
}

/** This severity and those above. */
export const severitiesFrom = (least: Severity): Severity[] => SEVERITIES.slice(SEVERITIES.indexOf(least));
