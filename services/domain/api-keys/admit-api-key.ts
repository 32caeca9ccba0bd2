import { hash } from 'node:crypto';
import { apiKeySignatures } from '#observability/metrics/api-keys.ts';
import { apiKeyNotAccepted, rateLimited } from '#services/platform/errors.ts';
import type { LimitBuckets } from '../limits/buckets.ts';
import { type Counted, refusalOf, usedUp } from '../limits/verdict.ts';
import type { Clock, Ports, RateCounters } from '../ports.ts';
import type { LiveApiKey } from './api-key-directory.ts';
import type { HasApiKeyUses } from './api-key-uses.ts';
import { useNonce } from './api-keys.store.ts';
import { apiKeySignatureInvalid } from './errors.ts';
import { judgeSignature, nonceKeptUntilMs, type SignedRequest } from './request-signature.ts';

export type AdmitPorts = Pick<Ports, 'sql'> & {
  readonly clock: Clock;
  readonly rateCounters: RateCounters;
  readonly limitBuckets: Pick<LimitBuckets, 'byApiKey'>;
} & HasApiKeyUses;

/** What a key is used for. */
export type KeyedRequest = SignedRequest & {
  /** The permission that the endpoint asks for; undefined where it asks for none. */
  readonly permission: string | undefined;
};

const SAFE_METHODS = new Set(['GET', 'HEAD', 'OPTIONS']);

/**
 * Lets a recognised key do one request: within its own rate limit, signed where it has a public key, and never for
 * what changes the account itself, which asks for no permission because it asks for its owner.
 * @returns what it was counted in
 * @throws rateLimited (429), apiKeyNotAccepted (403), apiKeySignatureInvalid (401)
 */
export async function admitApiKey(ports: AdmitPorts, key: LiveApiKey, request: KeyedRequest): Promise<Counted> {
  const counted = countRequest(ports, key);
  if (usedUp([counted])) throw rateLimited(refusalOf(counted, [counted]));
  if (request.permission === undefined && !SAFE_METHODS.has(request.method)) throw apiKeyNotAccepted();
  if (key.publicKey !== null) await assertSigned(ports, { id: key.id, publicKey: key.publicKey }, request);
  ports.apiKeyUses.add(key.id);
  return counted;
}

function countRequest({ rateCounters, limitBuckets }: AdmitPorts, { id, requestsPerMinute }: LiveApiKey): Counted {
  const bucket = limitBuckets.byApiKey(requestsPerMinute);
  return { bucket, count: rateCounters.countHere(bucket, id) };
}

async function assertSigned(
  { sql, clock }: AdmitPorts,
  key: { readonly id: string; readonly publicKey: NonNullable<LiveApiKey['publicKey']> },
  request: KeyedRequest,
): Promise<void> {
  const verdict = judgeSignature(request, key, clock.now());
  if (verdict.outcome !== 'ok') {
    apiKeySignatures.add(1, { outcome: verdict.outcome });
    throw apiKeySignatureInvalid({ detail: verdict.why });
  }
  // Last, so that a forged request uses up nobody's nonce.
  const nonceHash = hash('sha256', `${key.id}\0${verdict.nonce}`, 'buffer');
  const isNew = await useNonce(sql, nonceHash, nonceKeptUntilMs(verdict.created));
  apiKeySignatures.add(1, { outcome: isNew ? 'ok' : 'replayed' });
  if (!isNew) throw apiKeySignatureInvalid({ detail: 'This nonce was used before.' });
}
