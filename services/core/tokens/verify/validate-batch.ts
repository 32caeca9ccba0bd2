import { setImmediate } from 'node:timers/promises';
import { isAnonymous, permissionsOf } from '#services/core/authority/callers.ts';
import type { Caller, Ports } from '#services/core/ports.ts';
import { permissionMissing, unauthenticated } from '#services/platform/errors.ts';
import type { AccessTokenClaims } from '../access-token.ts';
import { tokenMetadataUnavailable } from '../errors.ts';
import { readTokenMetadata, type TokenMetadata } from '../metadata/token-metadata.cache.ts';
import { tokensRead } from '../permissions.ts';
import { assertVerifiable } from './assert-verifiable.ts';
import { inactiveAnswer } from './inactive-answer.ts';
import type { HasLegacyBridge } from './legacy-bridge-port.ts';
import { decideToken, type ValidatePorts } from './validate-token.ts';
import type { InactiveReason } from './validation-shapes.ts';

/** The claims that metadata contains. */
type KnownClaims = Pick<
  AccessTokenClaims,
  'jti' | 'aud' | 'sub' | 'client_id' | 'iat' | 'exp' | 'sid' | 'fid' | 'scope'
>;

type IdValidation =
  | { readonly active: true; readonly claims: KnownClaims }
  | { readonly active: false; readonly reason: InactiveReason };

/** Signatures verified in one tick of the event loop, so that a batch of forged tokens does not block other requests. */
const TOKENS_A_TICK = 50;

/** Tokens of the old provider looked up at once, so that a batch leaves connections for other requests. */
const LOOK_UPS_AT_ONCE = 4;

/** Evaluates tokens against the default audience; the answers are JSON texts, in order. */
async function validateTokens(ports: BatchPorts, tokens: readonly string[]): Promise<string[]> {
  const { legacyBridge, verifiedTokens } = ports;
  const answers: string[] = [];
  const foreign: number[] = [];
  for (const [index, token] of tokens.entries()) {
    if (index > 0 && index % TOKENS_A_TICK === 0) await setImmediate();
    if (legacyBridge !== null && verifiedTokens.get(token) === undefined && legacyBridge.isFor(token)) {
      foreign.push(index);
      continue;
    }
    const evaluated = decideToken(ports, token);
    answers[index] = typeof evaluated === 'string' ? inactiveAnswer(evaluated) : evaluated.answer;
  }
  for (let start = 0; legacyBridge !== null && start < foreign.length; start += LOOK_UPS_AT_ONCE) {
    const some = foreign.slice(start, start + LOOK_UPS_AT_ONCE);
    const made = await Promise.all(some.map((index) => legacyBridge.answer({ token: tokens[index] as string })));
    for (const [place, index] of some.entries()) answers[index] = made[place] as string;
  }
  return answers;
}

const claimsOf = (tokenId: string, known: TokenMetadata): KnownClaims => ({
  jti: tokenId,
  aud: known.audience,
  sub: known.subject,
  client_id: known.clientId,
  iat: known.issuedAt,
  exp: known.expiresAt,
  ...(known.sessionId === null ? {} : { sid: known.sessionId }),
  ...(known.familyId === null ? {} : { fid: known.familyId }),
  scope: known.scope,
});

function decideId(ports: ValidatePorts, tokenId: string, known: TokenMetadata | null): IdValidation {
  const revokedById = ports.revocations.check({ jti: tokenId, sub: '', client_id: '', ue: 0, ce: 0 });
  if (revokedById !== null) return { active: false, reason: revokedById };
  if (known === null) return { active: false, reason: 'unknown_id' };
  if (ports.clock.now() / 1_000 >= known.expiresAt + ports.tokenSettings.leewaySeconds)
    return { active: false, reason: 'expired' };
  const key = known.keyVersion === null ? undefined : ports.keyRing.find(known.keyVersion);
  if (key === undefined) return { active: false, reason: 'unknown_key' };
  if (key.compromised) return { active: false, reason: 'key_compromised' };
  const revoked = ports.revocations.check({
    jti: tokenId,
    sid: ports.tokenSettings.requireSessionBinding ? (known.sessionId ?? undefined) : undefined,
    fid: known.familyId ?? undefined,
    sub: known.subject,
    client_id: known.clientId,
    ue: known.userEpoch,
    ce: known.clientEpoch,
    origins: known.origins,
  });
  return revoked === null ? { active: true, claims: claimsOf(tokenId, known) } : { active: false, reason: revoked };
}

/**
 * Evaluates token ids by their metadata and the revocation set, with one round trip to Redis. An id without metadata is
 * `unknown_id`. Throws `token_metadata_unavailable` (503) when Redis is unreachable, because every id would then look
 * unknown.
 */
export async function batchValidateTokens(
  ports: ValidatePorts & Pick<Ports, 'redis'>,
  tokenIds: readonly string[],
): Promise<IdValidation[]> {
  assertVerifiable(ports);
  const known = await readTokenMetadata(ports, tokenIds).catch((err: unknown) => {
    throw tokenMetadataUnavailable({ retryAfterSeconds: 1, cause: err });
  });
  return tokenIds.map((tokenId, index) => decideId(ports, tokenId, known[index] ?? null));
}

export type BatchPorts = ValidatePorts & HasLegacyBridge & Pick<Ports, 'redis'>;

export type ValidateBatchInput = { readonly tokens: readonly string[] } | { readonly token_ids: readonly string[] };

/**
 * Returns the batch response as JSON text. Any caller may validate a token; validating token ids requires tokens:read.
 * Throws `unauthenticated` (401), `permission_missing` (403), `token_metadata_unavailable`, `revocation_state_stale`,
 * `state_rewound`, `clock_wrong`, `key_ring_behind`, `legacy_keys_unavailable` (503).
 */
export async function validateBatch(ports: BatchPorts, input: ValidateBatchInput, caller: Caller): Promise<string> {
  if ('tokens' in input) return `{"results":[${(await validateTokens(ports, input.tokens)).join(',')}]}`;
  if (isAnonymous(caller)) throw unauthenticated();
  if (!permissionsOf(caller).has(tokensRead.name))
    throw permissionMissing({ detail: 'Validating token ids requires the permission tokens:read.' });
  return JSON.stringify({ results: await batchValidateTokens(ports, input.token_ids) });
}
