import type { FeedQuestion, HasRevocationFeed } from './revocation-feed.ts';

/**
 * Returns the revocations since an epoch, signed; all of them (`since: 0`) when the epoch is unknown or of another
 * incarnation. Reads memory only. It never answers 304, because an attacker could replay an unsigned answer.
 * @returns a compact JWS
 */
export async function readRevocations(ports: HasRevocationFeed, question: FeedQuestion): Promise<string> {
  const { jws } = await ports.revocationFeed.answer(question);
  return jws;
}
