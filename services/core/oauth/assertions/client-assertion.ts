import { isUtf8 } from 'node:buffer';
import { compactVerify, errors } from 'jose';
import { ASSERTION_TYPE, LONGEST_ASSERTION, type SentAssertion } from '#services/core/access/assertion-shapes.ts';
import type { Workload } from '#services/core/access/workload-shapes.ts';
import { canonicalBase64url } from '#services/core/jws/canonical-base64url.ts';
import { type JsonObject, parseStrictObject } from '#services/core/jws/strict-json.ts';
import { CLIENT_AHEAD_SECONDS } from '#services/core/tokens/client-clock.ts';
import type { ClientKeySet } from './client-key-sets.ts';
import { fitsSubject, isOnly, SPIFFE_ID } from './workload-subject.ts';

/** How far ahead `exp` may be, seconds: used assertions are kept until then. */
const LIFE_SECONDS_MAX = 600;
/** Of a token that another issuer made: Kubernetes makes none for less than 600 seconds, and 3,600 by default. */
const WORKLOAD_SECONDS_MAX = 3_600;
const LONGEST_JTI = 256;
/** The second is that of JWT-SVIDs (draft-ietf-oauth-spiffe-client-auth); the client decides which rules apply. */
const ASSERTION_TYPES: readonly unknown[] = [ASSERTION_TYPE, 'urn:ietf:params:oauth:client-assertion-type:jwt-spiffe'];
/**
 * Without `typ` too (RFC 7523 §3); any other type is a token for another purpose (RFC 8725 §3.11). SPIFFE JWT-SVID §2.3
 * allows the last.
 */
const TYPES: ReadonlySet<string> = new Set(['jwt', 'application/jwt', 'client-authentication+jwt', 'jose']);

export { ID_JAG } from '#services/core/access/assertion-shapes.ts';
/** `typ` of an identity assertion (draft-ietf-oauth-identity-assertion-authz-grant §3), which nothing else has. */
export const ID_JAG_TYPE = 'oauth-id-jag+jwt';
/** How long an identity assertion may live, and ours do. */
export const ID_JAG_SECONDS = 300;
/** Claims that name an actor or a tenant: without a rule for them, they are refused. */
const UNSUPPORTED = ['act', 'tenant', 'aud_tenant'];

/** A signed JWT in its parts; nothing in it is verified yet. */
export type ReadJwt = { readonly text: string; readonly claims: JsonObject; readonly hasKid: boolean };
export type ReadAssertion = ReadJwt & { readonly clientId: string };

function objectOf(segment: string): JsonObject | null {
  const bytes = canonicalBase64url(segment);
  return bytes !== null && isUtf8(bytes) ? parseStrictObject(bytes.toString('utf8')) : null;
}

/** Reads a JWT of a type; null for any other text, whatever its size or nesting. */
function readJwt(text: string, isType: (typ: unknown) => boolean): ReadJwt | null {
  if (text.length > LONGEST_ASSERTION) return null;
  const [first = '', second = '', third = '', ...more] = text.split('.');
  const header = more.length === 0 && canonicalBase64url(third) !== null ? objectOf(first) : null;
  const claims = header && objectOf(second);
  if (header === null || claims === null) return null;
  const { typ, kid, crit } = header;
  return crit === undefined && isType(typ) ? { text, claims, hasKid: kid !== undefined } : null;
}

const isAssertionType = (typ: unknown): boolean =>
  typ === undefined || (typeof typ === 'string' && TYPES.has(typ.toLowerCase()));

/** Reads an assertion and the client that the form names, else its `sub` (RFC 7521 §4.2); null for any other text. */
export function readAssertion({ type, assertion, clientId }: SentAssertion): ReadAssertion | null {
  if (!ASSERTION_TYPES.includes(type) || typeof assertion !== 'string') return null;
  const read = readJwt(assertion, isAssertionType);
  if (read === null) return null;
  const { sub } = read.claims;
  const named = clientId === undefined || clientId === '' ? sub : clientId;
  return typeof sub === 'string' && typeof named === 'string' ? { ...read, clientId: named } : null;
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

export const isTime = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value);

const isJti = (jti: unknown): boolean => typeof jti === 'string' && jti !== '' && jti.length <= LONGEST_JTI;
const WRONG_JTI = `jti must have 1 to ${LONGEST_JTI} characters.`;

/** RFC 7523 §3, claims 4 to 6. */
function timesProblem({ exp, iat, nbf }: JsonObject, now: number, secondsMax: number): string | null {
  if (!isTime(exp) || exp <= now) return 'exp is missing or past.';
  if (exp > now + secondsMax + CLIENT_AHEAD_SECONDS) return `exp is more than ${secondsMax} seconds ahead.`;
  for (const [name, value] of [
    ['iat', iat],
    ['nbf', nbf],
  ] as const)
    if (value !== undefined && (!isTime(value) || value > now + CLIENT_AHEAD_SECONDS))
      return `${name} is not a time, or more than ${CLIENT_AHEAD_SECONDS} seconds ahead.`;
  return null;
}

type Here = { readonly issuer: string; readonly now: number };

/** What is wrong with the claims of an assertion (RFC 7523 §3, FAPI 2.0 §5.3.2.1), for the client; null if nothing. */
export function claimsProblem({ claims, clientId }: ReadAssertion, { issuer, now }: Here): string | null {
  const { iss, sub, aud, jti } = claims;
  if (iss !== clientId || sub !== clientId) return 'iss and sub must both be the client_id.';
  // A list or an endpoint would let another server pass the assertion on to this one.
  if (aud !== issuer) return 'aud must be the issuer of this server, as one string.';
  return timesProblem(claims, now, LIFE_SECONDS_MAX) ?? (isJti(jti) ? null : WRONG_JTI);
}

/**
 * What is wrong with the claims of a token of the issuer that a client is bound to; null if nothing. It names the claim and
 * not what is wanted: others have tokens of the same issuer.
 */
export function workloadClaimsProblem(
  { claims }: ReadAssertion,
  workload: Workload,
  { issuer, now }: Here,
): string | null {
  const { audience = issuer, claims: wanted = {} } = workload;
  const sub = claims.sub as string;
  if (audience !== issuer && !audience.startsWith(`${issuer}/`))
    return 'The workload of the client names an audience that is neither the issuer of this server nor below it.';
  if (!isOnly(claims.aud, audience)) return 'aud must be the audience of the workload, and no other.';
  const isSpiffe = workload.issuer.startsWith('spiffe:');
  if (isSpiffe && !SPIFFE_ID.test(sub)) return 'sub is not a SPIFFE ID.';
  if (!isSpiffe && claims.iss !== workload.issuer) return 'iss is not the issuer of the workload.';
  if (!fitsSubject(workload.subject, sub)) return 'sub is not the subject of the workload.';
  const { iat, exp } = claims;
  if (isTime(iat) && isTime(exp) && exp - iat > WORKLOAD_SECONDS_MAX + CLIENT_AHEAD_SECONDS)
    return `exp is more than ${WORKLOAD_SECONDS_MAX} seconds after iat.`;
  const wrong = Object.entries(wanted).find(([name, value]) => claims[name] !== value);
  if (wrong !== undefined) return `The claim ${wrong[0]} is not that of the workload.`;
  return (
    timesProblem(claims, now, WORKLOAD_SECONDS_MAX) ??
    (isUsedOnce(claims, workload) && !isJti(claims.jti) ? WRONG_JTI : null)
  );
}

/**
 * Whether the assertion is used up. RFC 7523 §3, claim 7: a `jti` may be missing, and may be remembered. The kubelet hands
 * the same token out until it rotates it.
 */
export const isUsedOnce = ({ jti }: JsonObject, workload: Workload | null): boolean =>
  workload === null || (jti !== undefined && workload.reusable !== true);

/** Reads an identity assertion; null for any other text. */
export const readIdentityAssertion = (text: string): ReadJwt | null => readJwt(text, (typ) => typ === ID_JAG_TYPE);

const isSubject = (sub: unknown): sub is string => typeof sub === 'string' && /^[^\p{Cc}\p{Cs}]{1,255}$/u.test(sub);

type Keys = { readonly jkt?: string };

/** Whether the client has proved the key that the assertion is bound to (§7.7.1); a binding of another kind never fits. */
const isBoundTo = (cnf: unknown, { jkt }: Keys): boolean =>
  cnf === undefined || (jkt !== undefined && JSON.stringify(cnf) === JSON.stringify({ jkt }));

/** What is wrong with the claims of an identity assertion, for the client; null if nothing. */
export function identityClaimsProblem(
  { claims }: ReadJwt,
  { clientId, keys }: { readonly clientId: string; readonly keys: Keys },
  { issuer, now }: Here,
): string | null {
  const { aud, client_id: named, sub, iat, exp, jti, cnf } = claims;
  if (!isOnly(aud, issuer)) return 'aud must be the issuer of this server, and no other.';
  if (named !== clientId) return 'client_id must be the client that authenticated.';
  if (!isSubject(sub)) return 'sub must have 1 to 255 characters.';
  const unsupported = UNSUPPORTED.find((name) => claims[name] !== undefined);
  if (unsupported !== undefined) return `The claim ${unsupported} is not supported.`;
  if (!isBoundTo(cnf, keys)) return 'The assertion is bound to a key that the request does not prove.';
  if (!isTime(iat)) return 'iat is missing.';
  if (isTime(exp) && exp - iat > ID_JAG_SECONDS) return `exp is more than ${ID_JAG_SECONDS} seconds after iat.`;
  return timesProblem(claims, now, ID_JAG_SECONDS) ?? (isJti(jti) ? null : WRONG_JTI);
}
