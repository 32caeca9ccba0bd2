import { hash } from 'node:crypto';
import { recordEvent } from '#services/core/audit/record-event.ts';
import type { Caller, Ports } from '#services/core/ports.ts';
import { parseExactJson } from '#services/core/shared/exact-json.ts';
import { requestInvalid } from '#services/platform/errors.ts';
import { legacyWebhookRefused } from './audit-events.ts';
import { legacyNotConfigured, legacyWebhookForged } from './legacy-errors.ts';
import { type LegacyProviderWebhookEvent, readLegacyEvent } from './legacy-event.ts';
import { insertLegacyEvent } from './legacy-events.store.ts';
import type { HasLegacyIssuer } from './legacy-issuer.ts';
import { verifyWebhook, type WebhookHeaders } from './webhook-signature.ts';

/** `key` null: no secret is set. `wake`: tells the workers that events wait; never waits or fails. */
type HasLegacyWebhook = { readonly legacyWebhook: { readonly key: Buffer | null; readonly wake: () => void } };

export type WebhookPorts = Pick<Ports, 'sql' | 'clock'> & HasLegacyIssuer & HasLegacyWebhook;

export type WebhookInput = {
  readonly headers: WebhookHeaders;
  /** The bytes that were signed, and what they say. */
  readonly body: Buffer;
  readonly event: LegacyProviderWebhookEvent;
};

/** What became of a webhook: `duplicate` and `ignored` change nothing. */
export type WebhookReceipt = { readonly status: 'accepted' | 'duplicate' | 'ignored' };

/** The ids of an event with the digits of its bytes: a parsed number may be rounded. */
function idsIn(body: Buffer): object {
  try {
    const { data } = parseExactJson(body.toString('utf8')) as { readonly data: Readonly<Record<string, unknown>> };
    return Object.fromEntries(
      ['id', 'user_id', 'session_id'].flatMap((name) => (name in data ? [[name, data[name]]] : [])),
    );
  } catch {
    return {};
  }
}

/**
 * Keeps a signed event of the old provider for the job that applies it. An event that comes again, even ten times at once,
 * is kept once.
 * @throws legacyWebhookForged (401) for a missing or wrong signature, or one that is not of the last five minutes;
 *   requestInvalid (400) for a known type without an id; legacyNotConfigured (404) without a secret, and for the end of a session without LEGACY_ISSUER
 */
export async function receiveLegacyWebhook(
  ports: WebhookPorts,
  { headers, body, event }: WebhookInput,
  caller: Caller,
): Promise<WebhookReceipt> {
  const { legacyWebhook, legacyIssuer, clock, sql } = ports;
  if (legacyWebhook.key === null) throw legacyNotConfigured();
  const nowMs = clock.now();
  const verified = verifyWebhook(legacyWebhook.key, { headers, body }, Math.floor(nowMs / 1_000));
  if (typeof verified === 'string') {
    await recordEvent(sql, caller, legacyWebhookRefused, { outcome: 'refused', detail: { why: verified } });
    throw legacyWebhookForged();
  }
  const read = readLegacyEvent(
    { ...event, data: { ...event.data, ...idsIn(body) } },
    { issuer: legacyIssuer?.issuer ?? '', nowMs },
  );
  if (read === 'ignored') return { status: 'ignored' };
  // Without the issuer there is no session that the event could name.
  if (read !== null && read.kind === 'session_ended' && legacyIssuer === null) throw legacyNotConfigured();
  if (read === null)
    throw requestInvalid({ problems: [{ at: 'body/data/id', why: 'must be the id of user or session' }] });
  const name = verified.id ?? (typeof event.id === 'string' ? event.id : body);
  if (!(await insertLegacyEvent(sql, hash('sha256', name, 'buffer'), read))) return { status: 'duplicate' };
  legacyWebhook.wake();
  return { status: 'accepted' };
}
