import { ASSERTION_ALGORITHMS } from '#services/core/access/client-auth-shapes.ts';
import type { JsonObject } from '#services/core/jws/strict-json.ts';
import type { HasKeyRing } from '#services/core/keys/key-ring.ts';
import { verifyAssertionSignature } from '#services/core/oauth/assertions/client-assertion.ts';
import { KeysNotRead } from '#services/core/oauth/assertions/client-key-sets.ts';
import type { Ports } from '#services/core/ports.ts';
import type { HasTokenSettings } from '#services/core/tokens/token-settings.ts';
import { type ErrorFactory, isAppError } from '#services/platform/define/error.ts';
import {
  legacyBridgeEnded,
  legacyKeysUnavailable,
  legacyNotConfigured,
  legacyTokenAlgorithmRefused,
  legacyTokenAudienceRefused,
  legacyTokenExpired,
  legacyTokenIssuerRefused,
  legacyTokenKeyRefused,
  legacyTokenMalformed,
  legacyTokenNotYetValid,
  legacyTokenSignatureInvalid,
} from './legacy-errors.ts';
import type { HasLegacyIssuer, LegacyIssuer } from './legacy-issuer.ts';
import {
  type ClaimsProblem,
  claimsProblem,
  isSignedWith,
  type LegacyStrength,
  type ReadLegacyToken,
  readLegacyToken,
  sessionIdOf,
  strengthOf,
} from './legacy-token.ts';

/** A session of the old provider, as its holder proves it: by a token that names it. */
export type LegacySession = { readonly token: string };

/** What a verified token says of a session and its user. */
export type VerifiedLegacySession = {
  readonly id: Buffer;
  readonly subject: string;
  readonly strength: LegacyStrength;
  /** The address, only if the old provider verified it. */
  readonly verifiedEmail: string | null;
  /** Unix seconds. */
  readonly issuedAt: number | null;
  readonly expiresAt: number;
  readonly claims: JsonObject;
};

export type LegacyTokenPorts = Pick<Ports, 'clock'> & HasKeyRing & HasTokenSettings & HasLegacyIssuer;

const REFUSALS: Readonly<Record<ClaimsProblem, ErrorFactory>> = {
  malformed: legacyTokenMalformed,
  issuer: legacyTokenIssuerRefused,
  audience: legacyTokenAudienceRefused,
  expired: legacyTokenExpired,
  not_yet_valid: legacyTokenNotYetValid,
};

/** Verifies with a key of the set, and once more with newer keys if the set has none for the token. Throws 503 until it can know. */
async function assertSignedByKey({ keySets, jwksUri }: LegacyIssuer, { text, alg, kid }: ReadLegacyToken) {
  if (!ASSERTION_ALGORITHMS.some((algorithm) => algorithm === alg)) throw legacyTokenAlgorithmRefused();
  const found = await keySets.decideByKeys(
    { jwks: null, jwks_uri: jwksUri, origin: 'admin' },
    (keys) => verifyAssertionSignature(text, keys, [alg]),
    (signed) => signed === 'unknown-key' || (signed === 'invalid' && kid === undefined),
  );
  if (found instanceof KeysNotRead) throw legacyKeysUnavailable({ retryAfterSeconds: found.retryAfterSeconds });
  if (found === 'ok') return;
  throw found === 'unknown-key' ? legacyTokenKeyRefused() : legacyTokenSignatureInvalid();
}

function assertSignedBySecret(secret: string, { text, alg }: ReadLegacyToken): void {
  if (alg !== 'HS256') throw legacyTokenAlgorithmRefused();
  if (!isSignedWith(secret, text)) throw legacyTokenSignatureInvalid();
}

/**
 * Verifies a token of the old provider: algorithm, key, signature, issuer, audience and times. Looks nothing up here.
 * Throws the `legacy_token_…` errors and `legacy_bridge_ended` (401), `legacy_not_configured` (404),
 * `legacy_keys_unavailable` (503).
 */
export async function verifyLegacySession(
  ports: LegacyTokenPorts,
  { token }: LegacySession,
): Promise<VerifiedLegacySession> {
  const { legacyIssuer, keyRing, clock, tokenSettings } = ports;
  if (legacyIssuer === null) throw legacyNotConfigured();
  if (legacyIssuer.untilMs !== null && clock.now() >= legacyIssuer.untilMs) throw legacyBridgeEnded();
  const read = readLegacyToken(token);
  if (read === null) throw legacyTokenMalformed();
  // A key of this installation signs no token of another issuer.
  if (read.kid !== undefined && keyRing.find(read.kid) !== undefined) throw legacyTokenKeyRefused();
  if (legacyIssuer.sharedSecret === null) await assertSignedByKey(legacyIssuer, read);
  else assertSignedBySecret(legacyIssuer.sharedSecret, read);
  const now = Math.floor(clock.now() / 1_000);
  const problem = claimsProblem(read.claims, legacyIssuer, { now, leewaySeconds: tokenSettings.leewaySeconds });
  if (problem !== null) throw REFUSALS[problem]();
  const { sub, exp, iat, email, email_verified: isVerified } = read.claims;
  return {
    id: sessionIdOf(legacyIssuer.issuer, read),
    subject: sub as string,
    strength: strengthOf(read.claims, now),
    verifiedEmail: typeof email === 'string' && isVerified === true ? email : null,
    issuedAt: (iat as number | undefined) ?? null,
    expiresAt: exp as number,
    claims: read.claims,
  };
}

/** Whether the sign-in there is older than the last end of all sessions of the user here, or its time is unknown. */
export const isOlderThanEnd = (
  { strength: { authTime } }: Pick<VerifiedLegacySession, 'strength'>,
  endedAt: Date | null,
): boolean => endedAt !== null && (authTime ?? 0) * 1_000 <= endedAt.getTime();

type LegacyVerdict =
  | { readonly valid: true; readonly session: VerifiedLegacySession }
  | { readonly valid: false; readonly code: string };

/** Whether a token of the old provider proves a session; otherwise the code of the refusal. Throws 503 only. */
export async function validateLegacySession(ports: LegacyTokenPorts, session: LegacySession): Promise<LegacyVerdict> {
  try {
    return { valid: true, session: await verifyLegacySession(ports, session) };
  } catch (err) {
    if (!isAppError(err) || err.definition.status >= 500) throw err;
    return { valid: false, code: err.code };
  }
}
