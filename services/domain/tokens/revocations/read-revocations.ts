import type { FeedQuestion, HasRevocationFeed } from './revocation-feed.ts';

/**
 * The revocations since an epoch, signed; all of them (`since: 0`) when the caller's epoch is not one of ours. Reads
 * memory only. There is no 304, because an unsigned statement of freshness could be replayed.
 * @returns a compact JWS
 */
export async function readRevocations(ports: HasRevocationFeed, question: FeedQuestion): Promise<string> {
  const { jws } = await ports.revocationFeed.answer(question);
  return jws;
}
