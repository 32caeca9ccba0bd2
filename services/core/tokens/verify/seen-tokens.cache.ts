import type { Ports } from '#services/core/ports.ts';

const keyOf = (tokenId: string): string => `sallyport:seen:${tokenId}`;

/**
 * Stores where a token was first seen.
 * @returns the first value stored; null when it expired meanwhile. Rejects when Redis is unreachable.
 */
export async function noteFirstSeen(
  { redis }: Pick<Ports, 'redis'>,
  tokenId: string,
  seen: string,
  ttlSeconds: number,
): Promise<string | null> {
  if (await redis.setIfAbsent(keyOf(tokenId), seen, ttlSeconds)) return seen;
  return redis.get(keyOf(tokenId));
}
