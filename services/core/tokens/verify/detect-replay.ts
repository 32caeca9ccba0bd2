import { keyedHash } from '#services/core/audit/audit-context.ts';
import type { HasKeyRing } from '#services/core/keys/key-ring.ts';
import type { Ports } from '#services/core/ports.ts';
import { oneSpellingOf } from '#services/core/shared/address-spelling.ts';
import type { AccessTokenClaims } from '../access-token.ts';
import { replayStoreUnavailable } from '../errors.ts';
import { noteFirstSeen } from './seen-tokens.cache.ts';

export type ReplayContext = { readonly ip?: string | undefined; readonly userAgent?: string | undefined };

/**
 * Returns true when the token id was first seen from another address or user agent. Repeated use from the same ones is
 * not a replay. No other check of validation needs a shared store.
 * Throws `replay_store_unavailable` (503) when Redis is unreachable.
 */
export async function detectReplayAttack(
  ports: Pick<Ports, 'redis' | 'clock'> & HasKeyRing,
  claims: Pick<AccessTokenClaims, 'jti' | 'exp'>,
  context: ReplayContext,
): Promise<boolean> {
  if (context.ip === undefined && context.userAgent === undefined) return false;
  const { key } = ports.keyRing.secret('identifier');
  const seen = keyedHash(key, 'ip', `${oneSpellingOf(context.ip ?? '')}\0${context.userAgent ?? ''}`);
  const ttlSeconds = Math.max(1, Math.ceil(claims.exp - ports.clock.now() / 1_000) + 60);
  try {
    const first = await noteFirstSeen(ports, claims.jti, seen, ttlSeconds);
    return first !== null && first !== seen;
  } catch (err) {
    throw replayStoreUnavailable({ retryAfterSeconds: 1, cause: err });
  }
}
