import { isUtf8 } from 'node:buffer';
import { compactVerify, errors } from 'jose';
import { ASSERTION_TYPE, LONGEST_ASSERTION, type SentAssertion } from '#services/core/access/assertion-shapes.ts';
import { canonicalBase64url } from '#services/core/jws/canonical-base64url.ts';
import { type JsonObject, parseStrictObject } from '#services/core/jws/strict-json.ts';
import { CLIENT_AHEAD_SECONDS } from '#services/core/tokens/client-clock.ts';
import type { ClientKeySet } from './client-key-sets.ts';

/** How far ahead `exp` may be, seconds: used assertions are kept until then. */
const LIFE_SECONDS_MAX = 600;
const LONGEST_JTI = 256;
/** Without `typ` too (RFC 7523 §3); any other type is a token for another purpose (RFC 8725 §3.11). */
const TYPES: ReadonlySet<string> = new Set(['jwt', 'application/jwt', 'client-authentication+jwt']);

/** An assertion in its parts; nothing in it is verified yet. */
export type ReadAssertion = {
  readonly text: string;
  readonly clientId: string;
  readonly claims: JsonObject;
  readonly hasKid: boolean;
};

function objectOf(segment: string): JsonObject | null {
  const bytes = canonicalBase64url(segment);
  return bytes !== null && isUtf8(bytes) ? parseStrictObject(bytes.toString('utf8')) : null;
}

/** Reads an assertion and the client that it names; null for any other text, whatever its size or nesting. */
export function readAssertion({ type, assertion, clientId }: SentAssertion): ReadAssertion | null {
  if (type !== ASSERTION_TYPE || typeof assertion !== 'string' || assertion.length > LONGEST_ASSERTION) return null;
  const [first = '', second = '', third = '', ...more] = assertion.split('.');
  const header = more.length === 0 && canonicalBase64url(third) !== null ? objectOf(first) : null;
  const claims = header && objectOf(second);
  if (header === null || claims === null) return null;
  const { typ, kid, crit } = header;
  if (crit !== undefined) return null;
  if (typ !== undefined && !(typeof typ === 'string' && TYPES.has(typ.toLowerCase()))) return null;
  const { sub } = claims;
  if (typeof sub !== 'string' || (clientId !== undefined && clientId !== '' && clientId !== sub)) return null;
  return { text: assertion, clientId: sub, claims, hasKid: kid !== undefined };
}

/** `unknown-key`: no key of the set fits the header. */
type SignatureResult = 'ok' | 'unknown-key' | 'invalid';

/** Verifies the signature by the one key that fits the header, or by each of several keys without `kid`. */
export async function verifyAssertionSignature(
  text: string,
  keys: ClientKeySet,
  algorithms: readonly string[],
): Promise<SignatureResult> {
  const options = { algorithms: [...algorithms] };
  try {
    await compactVerify(text, keys, options);
    return 'ok';
  } catch (err) {
    if (err instanceof errors.JWKSNoMatchingKey) return 'unknown-key';
    if (!(err instanceof errors.JWKSMultipleMatchingKeys)) return 'invalid';
    for await (const key of err) {
      const isSigner = await compactVerify(text, key, options).then(
        () => true,
        () => false,
      );
      if (isSigner) return 'ok';
    }
    return 'invalid';
  }
}

const isTime = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value);

/** What is wrong with the claims of an assertion (RFC 7523 §3, FAPI 2.0 §5.3.2.1), for the client; null if nothing. */
export function claimsProblem(
  { claims, clientId }: ReadAssertion,
  { issuer, now }: { readonly issuer: string; readonly now: number },
): string | null {
  const { iss, aud, exp, iat, nbf, jti } = claims;
  if (iss !== clientId) return 'iss and sub must both be the client_id.';
  // A list or an endpoint would let another server pass the assertion on to this one.
  if (aud !== issuer) return 'aud must be the issuer of this server, as one string.';
  if (!isTime(exp) || exp <= now) return 'exp is missing or past.';
  if (exp > now + LIFE_SECONDS_MAX + CLIENT_AHEAD_SECONDS) return `exp is more than ${LIFE_SECONDS_MAX} seconds ahead.`;
  for (const [name, value] of [
    ['iat', iat],
    ['nbf', nbf],
  ] as const)
    if (value !== undefined && (!isTime(value) || value > now + CLIENT_AHEAD_SECONDS))
      return `${name} is not a time, or more than ${CLIENT_AHEAD_SECONDS} seconds ahead.`;
  if (typeof jti !== 'string' || jti === '' || jti.length > LONGEST_JTI)
    return `jti must have 1 to ${LONGEST_JTI} characters.`;
  return null;
}
