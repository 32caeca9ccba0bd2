import { SEVERITIES } from '#services/core/security/incident-shapes.ts';
import { shownUrl } from '#services/core/shared/shown-url.ts';
import { cutText } from '#services/platform/define/cut-text.ts';
import { normaliseEmail } from '#services/platform/define/email.ts';
import type { AlertTargetChanges, NewAlertTarget } from './contract.ts';
import { alertTargetInvalid } from './errors.ts';

const MAIL = /^[^\s@,;<>"]{1,64}@[^\s@,;<>"]{1,189}$/;

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

/** The settings that a request names, as they are stored: the severity with those above. */
export const columnsOf = ({ name, sources, min_severity: least }: AlertTargetChanges) => ({
  name,
  sources: sources && [...new Set(sources)],
  severities: least && SEVERITIES.slice(SEVERITIES.indexOf(least)),
});
