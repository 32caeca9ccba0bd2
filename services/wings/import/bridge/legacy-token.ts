import { isUtf8 } from 'node:buffer';
import { createHmac, hash, timingSafeEqual } from 'node:crypto';
import { canonicalBase64url } from '#services/core/jws/canonical-base64url.ts';
import { type JsonObject, parseStrictObject } from '#services/core/jws/strict-json.ts';
import { externalId } from '#services/core/shared/external-id.ts';
import type { LegacyIssuer } from './legacy-issuer.ts';

const LONGEST_TOKEN = 8_192;
const LONGEST_ID = 255;
const METHODS_MAX = 8;
/** Without `typ` too; every other type is a token for another purpose, as a logout token (RFC 8725 §3.11). */
const TYPES: ReadonlySet<string> = new Set(['jwt', 'application/jwt', 'at+jwt', 'application/at+jwt']);

/** The same by members of the claims, as Keycloak (`typ`) and Cognito (`token_use`) have them. */
const CLAIMED_TYPES: ReadonlySet<unknown> = new Set([undefined, 'bearer', 'id', 'access', 'jwt', 'at+jwt']);
const lower = (value: unknown): unknown => (typeof value === 'string' ? value.toLowerCase() : value);

/** Whether claims are those of a logout token, of one that is spent elsewhere, or of someone who acts for the user. */
const isForOther = ({ typ, token_use: use, events, act }: JsonObject): boolean =>
  !CLAIMED_TYPES.has(lower(typ)) || !CLAIMED_TYPES.has(lower(use)) || events !== undefined || act !== undefined;

/** An ID token proves a session, and is no access token. */
export const isIdToken = ({ typ, token_use: use }: JsonObject): boolean => [typ, use].map(lower).includes('id');

/** A token in its parts; nothing in it is verified yet. */
export type ReadLegacyToken = {
  readonly text: string;
  readonly alg: string;
  readonly kid: string | undefined;
  readonly claims: JsonObject;
};

function objectOf(segment: string): JsonObject | null {
  const bytes = canonicalBase64url(segment);
  return bytes !== null && isUtf8(bytes) ? parseStrictObject(bytes.toString('utf8')) : null;
}

const isKid = (kid: unknown): kid is string | undefined =>
  kid === undefined || (typeof kid === 'string' && kid.length <= LONGEST_ID);

/** Reads a compact JWS, one without a signature too; null for any other text, whatever its size or nesting. */
export function readLegacyToken(text: string): ReadLegacyToken | null {
  if (text.length > LONGEST_TOKEN) return null;
  const [first = '', second = '', third, ...more] = text.split('.');
  if (third === undefined || more.length > 0) return null;
  const header = objectOf(first);
  const claims = header && objectOf(second);
  if (header === null || claims === null) return null;
  const { alg, kid, typ, crit } = header;
  if (typeof alg !== 'string' || !isKid(kid) || crit !== undefined) return null;
  if (typ !== undefined && !(typeof typ === 'string' && TYPES.has(typ.toLowerCase()))) return null;
  if (isForOther(claims)) return null;
  return { text, alg, kid, claims };
}

/** Whether a shared secret made the signature (HS256, RFC 7518 §3.2). */
export function isSignedWith(secret: string, text: string): boolean {
  const end = text.lastIndexOf('.');
  const signature = canonicalBase64url(text.slice(end + 1));
  const expected = createHmac('sha256', secret).update(text.slice(0, end)).digest();
  return signature !== null && signature.length === expected.length && timingSafeEqual(signature, expected);
}

const isTime = (value: unknown): value is number =>
  typeof value === 'number' && value >= 0 && value <= Number.MAX_SAFE_INTEGER;

export type ClaimsProblem = 'malformed' | 'issuer' | 'audience' | 'expired' | 'not_yet_valid';

/** What is wrong with the claims of a token whose signature is verified; null if nothing. */
export function claimsProblem(
  { iss, aud, sub, exp, iat, nbf }: JsonObject,
  { issuer, audiences }: Pick<LegacyIssuer, 'issuer' | 'audiences'>,
  { now, leewaySeconds }: { readonly now: number; readonly leewaySeconds: number },
): ClaimsProblem | null {
  if (iss !== issuer) return 'issuer';
  // RFC 7519 §4.1.2: a subject is text.
  if (typeof sub !== 'string' || externalId(sub) === null || !isTime(exp)) return 'malformed';
  const named: readonly unknown[] = Array.isArray(aud) ? aud : [aud];
  if (!named.some((one) => audiences.some((audience) => audience === one))) return 'audience';
  if (now >= exp + leewaySeconds) return 'expired';
  for (const time of [iat, nbf]) {
    if (time === undefined) continue;
    if (!isTime(time)) return 'malformed';
    if (time > now + leewaySeconds) return 'not_yet_valid';
  }
  return null;
}

/** How the user authenticated there, as far as the token says. */
export type LegacyStrength = {
  /** Methods of RFC 8176. */
  readonly amr: readonly string[];
  readonly isTwoFactors: boolean;
  /** Unix seconds of the sign-in; null: the token does not say. */
  readonly authTime: number | null;
};

const KNOWLEDGE: ReadonlySet<string> = new Set(['pwd', 'pin', 'kba']);
const POSSESSION: ReadonlySet<string> = new Set(['otp', 'hwk', 'swk', 'sms', 'sc', 'tel', 'pop']);
/** Supabase names methods by words of its own. */
const OWN_WORDS = new Map([
  ['password', 'pwd'],
  ['totp', 'otp'],
  ['webauthn', 'hwk'],
]);

/** A method by its name, or as an object with its name and time. */
function methodOf(entry: unknown): string | null {
  const name = typeof entry === 'object' && entry !== null ? (entry as { readonly method?: unknown }).method : entry;
  if (typeof name !== 'string') return null;
  const method = OWN_WORDS.get(name) ?? name;
  return /^[a-z]{2,8}$/.test(method) ? method : null;
}

const newest = (times: readonly number[]): number | null => (times.length === 0 ? null : Math.max(...times));

/** Whole minutes since the first and since the second factor when the token was issued, -1: never (Clerk). */
function factorAges(fva: unknown): readonly [number, number] | null {
  const [first, second] = Array.isArray(fva) ? (fva as readonly unknown[]) : [];
  return typeof first === 'number' && typeof second === 'number' ? [first, second] : null;
}

function authTimeOf(claims: JsonObject): number | null {
  const { auth_time: authTime, iat, amr, fva } = claims;
  if (isTime(authTime)) return authTime;
  const ages = factorAges(fva);
  if (ages !== null && ages[0] >= 0 && isTime(iat)) return Math.max(0, iat - (ages[0] + 1) * 60);
  const entries: readonly unknown[] = Array.isArray(amr) ? amr : [];
  return newest(entries.map((entry) => (entry as { readonly timestamp?: unknown } | null)?.timestamp).filter(isTime));
}

/** Reads how strong the session is from verified claims. What a token does not say is taken as weak. */
export function strengthOf(claims: JsonObject, now: number): LegacyStrength {
  const { amr, aal, fva } = claims;
  const entries: readonly unknown[] = Array.isArray(amr) ? amr.slice(0, METHODS_MAX) : [];
  const methods = [...new Set(entries.flatMap((entry) => methodOf(entry) ?? []))];
  const isTwoFactors =
    methods.includes('mfa') ||
    aal === 'aal2' ||
    (factorAges(fva)?.[1] ?? -1) >= 0 ||
    (methods.some((method) => KNOWLEDGE.has(method)) && methods.some((method) => POSSESSION.has(method)));
  const authTime = authTimeOf(claims);
  return {
    amr: isTwoFactors && !methods.includes('mfa') ? [...methods, 'mfa'] : methods,
    isTwoFactors,
    authTime: authTime === null ? null : Math.min(Math.floor(authTime), now),
  };
}

const digestOf = (...parts: readonly string[]): Buffer => hash('sha256', parts.join('\0'), 'buffer');

/** The id under which a session of the old provider is kept here. */
export const legacySessionId = (issuer: string, sid: string): Buffer => digestOf(issuer, 'sid', sid);

const isId = (value: unknown): value is string =>
  typeof value === 'string' && value !== '' && value.length <= LONGEST_ID;

/**
 * The session that a token belongs to: by its `sid` (`session_id` at Supabase), so that all tokens of a session are one;
 * otherwise the token itself, by its `jti` or its text.
 */
export function sessionIdOf(issuer: string, { text, claims }: ReadLegacyToken): Buffer {
  const { sid, session_id: sessionId, jti } = claims;
  const named = [sid, sessionId].find(isId);
  if (named !== undefined) return legacySessionId(issuer, named);
  return isId(jti) ? digestOf(issuer, 'jti', jti) : digestOf(issuer, 'token', text);
}
