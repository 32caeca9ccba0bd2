import type { Ports } from '#services/domain/ports.ts';

const keyOf = (tokenId: string): string => `sallyport:seen:${tokenId}`;

/**
 * Notes where a token was seen, unless that is noted already.
 * @returns what the first note says; null when it is gone again. Rejects when Redis is out of reach.
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
