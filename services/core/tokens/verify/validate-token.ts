import type { CounterSeries } from '#observability/metrics/instruments.ts';
import {
  inactiveReasons,
  tokenValidationDuration,
  tokenValidations,
  tokenVerdictCache,
} from '#observability/metrics/tokens.ts';
import { MAXIMUM_TOKEN_LENGTH, parsePayload, parseToken } from '#services/core/jws/parse-token.ts';
import { verifySignature } from '#services/core/jws/verify-signature.ts';
import { keyRingBehind } from '#services/core/keys/errors.ts';
import type { HasKeyRing } from '#services/core/keys/key-ring.ts';
import type { Ports } from '#services/core/ports.ts';
import { confirmThen, type HasStateConfirmation } from '#services/core/revocations/confirm-state.ts';
import type { HasRevocations, RevocableClaims } from '#services/core/revocations/revocation-set.ts';
import { ACCESS_TOKEN_TYPE, type AccessTokenClaims, claimsOf, matchesBinding } from '../access-token.ts';
import { aheadSeconds } from '../client-clock.ts';
import { checkDpopProof, type HasProofKeys } from '../dpop/dpop-proof.ts';
import type { HasTokenSettings } from '../token-settings.ts';
import { assertVerifiable } from './assert-verifiable.ts';
import type { HasValidationCounts } from './validation-counts.ts';
import type { InactiveReason } from './validation-shapes.ts';
import type { HasVerifiedTokens, VerifiedToken } from './verified-token-cache.ts';

/** What a caller requires of a token. Each member is checked only when given. */
export type TokenExpectations = {
  /** Replaces the default audience. */
  readonly audience?: string | undefined;
  /** More audiences that are accepted. */
  readonly audiences?: readonly string[];
  /** Space separated; every one must be in the token's scope. */
  readonly requiredScope?: string | undefined;
  /** The address the token was presented from. */
  readonly ip?: string | undefined;
  readonly userAgent?: string | undefined;
  /** The DPoP proof that was sent with the token, and the method and URL of that request (RFC 9449 §7.1). */
  readonly dpop?: { readonly proof: string; readonly htm: string; readonly htu: string } | undefined;
  /** SHA-256 thumbprint of the client certificate of the connection (RFC 8705 §3). */
  readonly x5t?: string | undefined;
  /** True when the caller itself checks the proof of a bound token (RFC 7662 §2.2, RFC 9449 §6.2). */
  readonly isProofChecked?: boolean;
};

/** What validation may use. It contains no store, so validation cannot query one. */
export type ValidatePorts = Pick<Ports, 'clock'> &
  HasKeyRing &
  HasRevocations &
  HasTokenSettings &
  HasVerifiedTokens &
  HasValidationCounts &
  HasProofKeys;

const NO_EXPECTATIONS: TokenExpectations = {};

const cacheHit = tokenVerdictCache.at({ outcome: 'hit' });
const cacheMiss = tokenVerdictCache.at({ outcome: 'miss' });
const duration = tokenValidationDuration.at();

const decided = Object.fromEntries([
  ['active', tokenValidations.at({ result: 'active', reason: 'none' })],
  ...inactiveReasons.map((reason) => [reason, tokenValidations.at({ result: 'inactive', reason })]),
]) as Readonly<Record<'active' | InactiveReason, CounterSeries>>;
const undecided = {
  revocation_state_stale: tokenValidations.at({ result: 'unavailable', reason: 'revocation_state_stale' }),
  state_rewound: tokenValidations.at({ result: 'unavailable', reason: 'state_rewound' }),
  clock_wrong: tokenValidations.at({ result: 'unavailable', reason: 'clock_wrong' }),
  key_ring_behind: tokenValidations.at({ result: 'unavailable', reason: 'key_ring_behind' }),
};

const isAccessTokenType = (typ: unknown): boolean => {
  if (typeof typ !== 'string') return false;
  const type = typ.toLowerCase();
  return type === ACCESS_TOKEN_TYPE || type === `application/${ACCESS_TOKEN_TYPE}`;
};

/** The start of the validate response for an active token, before its claims. */
export const ANSWER_START = '{"active":true,"claims":';

/**
 * Verifies format, key and signature, then type and claim types. Neither time nor a revocation changes the result. No
 * claim is used, and no error depends on a claim, before the signature is verified.
 */
export function verifyToken(ports: HasKeyRing & HasTokenSettings, token: string): VerifiedToken | InactiveReason {
  const parsed = parseToken(token);
  if (parsed === null) return 'malformed';
  const { alg, kid, typ } = parsed.header;
  if (typeof kid !== 'string' || typeof alg !== 'string') return 'malformed';
  const found = ports.keyRing.find(kid);
  if (found === undefined) return 'unknown_key';
  if (alg !== found.key.alg || !verifySignature(found.key, parsed.signingInput, parsed.signature))
    return 'bad_signature';
  if (found.compromised) return 'key_compromised';
  if (!isAccessTokenType(typ)) return 'wrong_type';
  const payload = parsePayload(parsed.payload);
  const claims = payload && claimsOf(payload.claims);
  if (payload === null || claims === null) return 'malformed';
  return {
    claims,
    kid,
    key: found.key.key,
    keyAudience: found.key.audience,
    revocable: revocableOf(claims, ports.tokenSettings.requireSessionBinding),
    answer: `${ANSWER_START}${payload.text}}`,
  };
}

const revocableOf = (claims: AccessTokenClaims, withSession: boolean): RevocableClaims => ({
  jti: claims.jti,
  sid: withSession ? claims.sid : undefined,
  fid: claims.fid,
  sub: claims.sub,
  client_id: claims.client_id,
  // A token without an epoch counts as older than every raised epoch.
  ue: claims.ue ?? 0,
  ce: claims.ce ?? 0,
  origins: claims.origins,
});

const names = (audience: AccessTokenClaims['aud'], expected: string): boolean =>
  typeof audience === 'string' ? audience === expected : audience.includes(expected);

const isForCaller = (
  audience: AccessTokenClaims['aud'],
  { audience: expected, audiences = [] }: TokenExpectations,
  ownAudience: string,
): boolean => names(audience, expected ?? ownAudience) || audiences.some((other) => names(audience, other));

function holdsScope(granted: string | undefined, required: string): boolean {
  const scopes = (granted ?? '').split(' ');
  return required.split(' ').every((scope) => scope === '' || scopes.includes(scope));
}

/** SHA-256 in base64url (RFC 7638, RFC 8705 §3.1). */
const isThumbprint = (value: unknown): boolean => typeof value === 'string' && /^[\w-]{43}$/.test(value);

/** Whether the client has proved possession of every key that the token is bound to. Rejects an unbound token with a proof. */
function isConfirmed(
  { clock, tokenSettings, proofKeys }: ValidatePorts,
  token: string,
  { cnf }: AccessTokenClaims,
  { dpop, x5t, isProofChecked }: TokenExpectations,
): boolean {
  if (isProofChecked) return cnf === undefined || Object.values(cnf).some(isThumbprint);
  if (cnf === undefined) return dpop === undefined;
  const { jkt, 'x5t#S256': thumbprint } = cnf;
  if (thumbprint !== undefined && x5t !== thumbprint) return false;
  // A token that is bound only by unknown methods is never accepted.
  if (jkt === undefined) return thumbprint !== undefined;
  if (dpop === undefined) return false;
  const now = Math.floor(clock.now() / 1_000);
  const leewaySeconds = aheadSeconds(tokenSettings);
  const expected = { htm: dpop.htm, htu: dpop.htu, accessToken: token, now, leewaySeconds };
  const proof = checkDpopProof(proofKeys, dpop.proof, expected);
  return proof !== null && proof.jkt === jkt;
}

function bindingHolds(ports: ValidatePorts, claims: AccessTokenClaims, { ip, userAgent }: TokenExpectations): boolean {
  const { tokenSettings } = ports;
  if (tokenSettings.enableIpValidation && ip !== undefined && claims.bip !== undefined)
    if (!matchesBinding(ports, 'ip', ip, claims.bip)) return false;
  if (tokenSettings.enableUserAgentValidation && userAgent !== undefined && claims.bua !== undefined)
    if (!matchesBinding(ports, 'agent', userAgent, claims.bua)) return false;
  return true;
}

/** The checks that depend on time, revocations and the caller. They run on every use of a verified token. */
function recheck(
  ports: ValidatePorts,
  token: string,
  verified: VerifiedToken,
  expectations: TokenExpectations,
): InactiveReason | null {
  const { claims, keyAudience } = verified;
  const { tokenSettings } = ports;
  // The revocation feed reports a compromised key before the key ring is reloaded.
  if (ports.revocations.isKeyRevoked(verified.kid)) return 'key_compromised';
  if (claims.iss !== tokenSettings.issuer) return 'wrong_issuer';
  if (!isForCaller(claims.aud, expectations, tokenSettings.audience)) return 'wrong_audience';
  // A shared secret (HS256) can sign only for its one audience.
  if (keyAudience !== undefined && !names(claims.aud, keyAudience)) return 'wrong_audience';
  const now = ports.clock.now() / 1_000;
  if (now >= claims.exp + tokenSettings.leewaySeconds) return 'expired';
  const latest = now + tokenSettings.leewaySeconds;
  if (claims.iat > latest || (claims.nbf !== undefined && claims.nbf > latest)) return 'not_yet_valid';
  const revoked = ports.revocations.check(verified.revocable);
  if (revoked !== null) return revoked;
  if (!bindingHolds(ports, claims, expectations) || !isConfirmed(ports, token, claims, expectations))
    return 'binding_mismatch';
  if (expectations.requiredScope !== undefined && !holdsScope(claims.scope, expectations.requiredScope))
    return 'insufficient_scope';
  return null;
}

/** Returns the cached token if the key ring still has the key that verified it. */
function cachedToken(ports: ValidatePorts, token: string): VerifiedToken | undefined {
  const known = ports.verifiedTokens.get(token);
  if (known === undefined) return undefined;
  const found = ports.keyRing.find(known.kid);
  return found !== undefined && found.key.key === known.key && !found.compromised ? known : undefined;
}

function verifyAndRecheck(
  ports: ValidatePorts,
  token: string,
  expectations: TokenExpectations,
): VerifiedToken | InactiveReason {
  if (token.length > MAXIMUM_TOKEN_LENGTH) return 'malformed';
  const known = cachedToken(ports, token);
  const verified = known ?? verifyToken(ports, token);
  (known === undefined ? cacheMiss : cacheHit).add(1);
  if (typeof verified === 'string') return verified;
  const reason = recheck(ports, token, verified, expectations);
  if (reason !== null) return reason;
  if (known === undefined) ports.verifiedTokens.offer(token, verified);
  return verified;
}

/** Decides and counts the decision. Throws when the state in memory is too old to decide. */
function decide(ports: ValidatePorts, token: string, expectations: TokenExpectations): VerifiedToken | InactiveReason {
  const refusal = ports.revocations.refusal() ?? (ports.keyRing.isClockRight() ? null : 'clock_wrong');
  if (refusal !== null) {
    undecided[refusal].add(1);
    assertVerifiable(ports);
  }
  const startedAt = ports.clock.monotonic();
  const decision = verifyAndRecheck(ports, token, expectations);
  const result = typeof decision === 'string' ? decision : 'active';
  ports.validationCounts[result] += 1;
  decided[result].add(1);
  duration.record((ports.clock.monotonic() - startedAt) / 1_000);
  return decision;
}

/** Whether the key ring is older than the revocations: the database has keys that this copy could not load yet. */
const isRingBehind = ({ keyRing, revocations }: ValidatePorts): boolean =>
  keyRing.state().ageMs > revocations.state().ageMs;

/**
 * Decides about an access token from memory only. Returns the verified token, or why it is inactive.
 * Throws `revocation_state_stale`, `state_rewound`, `clock_wrong` or `key_ring_behind` (503) when no decision is possible.
 */
export function decideToken(
  ports: ValidatePorts,
  token: string,
  expectations: TokenExpectations = NO_EXPECTATIONS,
): VerifiedToken | InactiveReason {
  const decision = decide(ports, token, expectations);
  if (decision === 'unknown_key' && isRingBehind(ports)) {
    undecided.key_ring_behind.add(1);
    throw keyRingBehind({ retryAfterSeconds: 1 });
  }
  return decision;
}

/**
 * Like `decideToken`, but looks up an unknown key in the database before it rejects the token. Returns a promise only
 * then.
 */
export function decideTokenConfirmed(
  ports: ValidatePorts & HasStateConfirmation,
  token: string,
  expectations: TokenExpectations = NO_EXPECTATIONS,
): VerifiedToken | InactiveReason | Promise<VerifiedToken | InactiveReason> {
  const look = () => decide(ports, token, expectations);
  const decision = look();
  return decision === 'unknown_key' ? confirmThen(ports, look) : decision;
}
