import type { AccessTokenClaims } from './claims.ts';
import { isCount, isText } from './claims.ts';
import type { VerifierCode } from './codes.ts';
import { bytesOf, decodeBase64url, textOf } from './encoding.ts';
import { LIMITS } from './generated/contract.ts';
import { createKeyStore, type KeyStore } from './key-store.ts';
import type { LegacySettings, Settings } from './options.ts';
import { type ParsedToken, parseForeignToken } from './parse-token.ts';
import type { Revocations } from './revocations.ts';
import { isObject, type JsonObject, parseStrictObject } from './strict-json.ts';
import { createVerifiedTokens, type VerifiedToken } from './verified-tokens.ts';
import { verifySignature } from './verify-signature.ts';

/** Access tokens of the old provider, until the bridge ends. */
export type LegacyTokens = {
  /** Whether a token says that the old provider issued it; verifies nothing. */
  isFor(token: string): boolean;
  /** The token, or why it is not accepted. Only keys that are not in memory cause a fetch. */
  verify(token: string): Promise<VerifiedToken | VerifierCode>;
};

/** After a failed fetch, requests do not wait for another one for this long. */
const PATIENCE_MS = 1_000;
const LONGEST_ID = 255;
/** Without `typ` too; every other type is a token for another purpose, as a logout token (RFC 8725 §3.11). */
const TYPES = /^(?:application\/)?(?:at\+)?jwt$/i;

const isId = (value: unknown): value is string => isText(value) && value.length <= LONGEST_ID;

function payloadOf(segment: string): JsonObject | null {
  const bytes = decodeBase64url(segment);
  const text = bytes && textOf(bytes);
  return text === null ? null : parseStrictObject(text);
}

/** `iss` of a token, unverified. */
function issuerIn(token: string): unknown {
  if (token.length > LIMITS.tokenCharacters) return undefined;
  const [, payload, signature] = token.split('.', 3);
  return payload === undefined || signature === undefined ? undefined : payloadOf(payload)?.iss;
}

/** The same by claims, as Keycloak (`typ`) and Cognito (`token_use`) have them. */
const CLAIMED_TYPE = /^(bearer|access|jwt|at\+jwt)$/i;

/** Whether claims are of an access token that its user holds, and no one who acts for the user. */
const isAccessToken = ({ typ, token_use: use, events, act }: JsonObject): boolean =>
  [typ, use].every((type) => type === undefined || (typeof type === 'string' && CLAIMED_TYPE.test(type))) &&
  events === undefined &&
  act === undefined;

/** Whether the claims that every provider writes have their types. */
const hasClaims = ({ aud, sub, exp, iat, nbf, scope, cnf }: JsonObject): boolean =>
  (isText(aud) || (Array.isArray(aud) && aud.every(isText))) &&
  isId(sub) &&
  isCount(exp) &&
  [iat, nbf].every((time) => time === undefined || isCount(time)) &&
  (scope === undefined || typeof scope === 'string') &&
  (cnf === undefined || isObject(cnf));

/** The name of its session in the revocation feed: by `sid` (`session_id` at Supabase), else the token itself. */
async function sessionOf(
  issuer: string,
  token: string,
  { sid, session_id: session, jti }: JsonObject,
): Promise<string> {
  const named = [sid, session].find(isId);
  const parts = named !== undefined ? ['sid', named] : isId(jti) ? ['jti', jti] : ['token', token];
  const digest = await crypto.subtle.digest('SHA-256', bytesOf([issuer, ...parts].join('\0')));
  return `legacy:${Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, '0')).join('')}`;
}

/** @param ours keys of Sallyport: none of them signs a token of another issuer */
export function createLegacyTokens(
  settings: Settings,
  { issuer, audience, jwksUri, untilMs }: LegacySettings,
  { ours, revocations }: { readonly ours: Pick<KeyStore, 'find'>; readonly revocations: Revocations },
): LegacyTokens {
  const { now, clockSkew } = settings;
  const keys = createKeyStore(settings, jwksUri);
  const known = createVerifiedTokens<VerifiedToken & { readonly session: string }>(settings.cacheSize);
  let triedAtMs = Number.NEGATIVE_INFINITY;

  async function areKeysFresh(): Promise<boolean> {
    if (keys.isFresh()) return true;
    const passedMs = now() - triedAtMs;
    if (passedMs >= 0 && passedMs < PATIENCE_MS) return false;
    await keys.renew();
    if (!keys.isFresh()) triedAtMs = now();
    return keys.isFresh();
  }

  async function verifyNew(token: string, parsed: ParsedToken) {
    const { kid, alg, typ } = parsed;
    const isLacking = keys.find(kid) === undefined && (await keys.renewForUnknownKid(kid));
    const key = keys.find(kid);
    if (key === undefined) return isLacking ? 'unknown_key' : 'key_ring_behind';
    if (key === null) return 'unknown_key';
    if (alg !== key.alg || !(await verifySignature(key, parsed))) return 'bad_signature';
    if (typ !== undefined && !(typeof typ === 'string' && TYPES.test(typ))) return 'wrong_type';
    const claims = payloadOf(parsed.payload);
    if (claims === null || !hasClaims(claims)) return 'malformed';
    if (!isAccessToken(claims)) return 'wrong_type';
    // Roles and permissions of a token are those of Sallyport.
    const { roles: _roles, permissions: _permissions, ...kept } = claims;
    const session = await sessionOf(issuer, token, claims);
    return { token, claims: kept as AccessTokenClaims, kid, key, session };
  }

  function objection(claims: AccessTokenClaims, session: string): VerifierCode | null {
    if (![claims.aud].flat().includes(audience)) return 'wrong_audience';
    const seconds = now() / 1_000;
    if (seconds >= claims.exp + clockSkew) return 'expired';
    const latest = seconds + clockSkew;
    if ((claims.iat ?? 0) > latest || (claims.nbf ?? 0) > latest) return 'not_yet_valid';
    return revocations.isSessionEnded(session) ? 'session_ended' : null;
  }

  return {
    isFor: (token) => known.get(token) !== undefined || (typeof token === 'string' && issuerIn(token) === issuer),
    async verify(token) {
      if (now() >= untilMs) return 'wrong_issuer';
      const parsed = parseForeignToken(token, LIMITS.tokenCharacters);
      if (parsed === null) return 'malformed';
      if (ours.find(parsed.kid) !== undefined) return 'unknown_key';
      if (!(await areKeysFresh())) return 'key_ring_behind';
      keys.renewWhenDue();
      const cached = known.get(token);
      const verified =
        cached !== undefined && keys.find(cached.kid) === cached.key ? cached : await verifyNew(token, parsed);
      if (typeof verified === 'string') return verified;
      const reason = objection(verified.claims, verified.session);
      if (reason !== null) return reason;
      known.set(verified);
      return verified;
    },
  };
}
