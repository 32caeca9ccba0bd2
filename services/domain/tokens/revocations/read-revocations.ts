import type { FeedQuestion, HasRevocationFeed } from './revocation-feed.ts';

/**
 * What was revoked since an epoch, signed; a snapshot (`since: 0`) where the asker's epoch is none of ours.
 * Answered from memory. There is no 304: a freshness that is not signed could be replayed.
 * @returns a compact JWS
 */
export async function readRevocations(ports: HasRevocationFeed, question: FeedQuestion): Promise<string> {
  const { jws } = await ports.revocationFeed.answer(question);
  return jws;
}
