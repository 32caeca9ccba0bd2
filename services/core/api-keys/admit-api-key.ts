import { hash } from 'node:crypto';
import { apiKeySignatures } from '#observability/metrics/api-keys.ts';
import { apiKeyNotAccepted, rateLimited } from '#services/platform/errors.ts';
import type { LimitBuckets } from '../limits/buckets.ts';
import { type Counted, limitRefusalOf, usedUp } from '../limits/limit-headers.ts';
import type { Clock, Ports, RateCounters } from '../ports.ts';
import type { LiveApiKey } from './api-key-directory.ts';
import type { HasApiKeyUses } from './api-key-uses.ts';
import { useNonce } from './api-keys.store.ts';
import { apiKeySignatureInvalid } from './errors.ts';
import { nonceKeptUntilMs, type SignedRequest, verifyRequestSignature } from './request-signature.ts';

export type AdmitPorts = Pick<Ports, 'sql'> & {
  readonly clock: Clock;
  readonly rateCounters: RateCounters;
  readonly limitBuckets: Pick<LimitBuckets, 'byApiKey'>;
} & HasApiKeyUses;

export type KeyedRequest = SignedRequest & {
  /** The permission that the endpoint requires; undefined where it requires none. */
  readonly permission: string | undefined;
};

const SAFE_METHODS = new Set(['GET', 'HEAD', 'OPTIONS']);

/**
 * Admits one request of a recognised key: within the rate limit of the key, and signed when the key has a public key.
 * Rejects writes at endpoints without a permission, because those change the account of the owner.
 * @returns the bucket the request was counted in
 * @throws rateLimited (429), apiKeyNotAccepted (403), apiKeySignatureInvalid (401)
 */
export async function admitApiKey(ports: AdmitPorts, key: LiveApiKey, request: KeyedRequest): Promise<Counted> {
  const counted = countRequest(ports, key);
  if (usedUp([counted])) throw rateLimited(limitRefusalOf(counted, [counted]));
  if (request.permission === undefined && !SAFE_METHODS.has(request.method)) throw apiKeyNotAccepted();
  if (key.publicKey !== null) await assertSigned(ports, { id: key.id, publicKey: key.publicKey }, request);
  ports.apiKeyUses.add(key.id);
  return counted;
}

function countRequest(
  { rateCounters, limitBuckets }: AdmitPorts,
  { id, requests_per_minute: requestsPerMinute }: LiveApiKey,
): Counted {
  const bucket = limitBuckets.byApiKey(requestsPerMinute);
  return { bucket, count: rateCounters.countHere(bucket, id) };
}

async function assertSigned(
  { sql, clock }: AdmitPorts,
  key: { readonly id: string; readonly publicKey: NonNullable<LiveApiKey['publicKey']> },
  request: KeyedRequest,
): Promise<void> {
  const signature = verifyRequestSignature(request, key, clock.now());
  if (signature.outcome !== 'ok') {
    apiKeySignatures.add(1, { outcome: signature.outcome });
    throw apiKeySignatureInvalid({ detail: signature.why });
  }
  // Last, so that a forged request uses up no nonce.
  const nonceHash = hash('sha256', `${key.id}\0${signature.nonce}`, 'buffer');
  const isNew = await useNonce(sql, nonceHash, nonceKeptUntilMs(signature.created));
  apiKeySignatures.add(1, { outcome: isNew ? 'ok' : 'replayed' });
  if (!isNew) throw apiKeySignatureInvalid({ detail: 'The nonce was used before.' });
}
