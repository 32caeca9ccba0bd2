import { type KeyObject, sign } from 'node:crypto';
import type { RsaSigner } from '../ports.ts';

/** One RS256 signature in Node's own pool, base64url. */
async function signInPool(input: string, key: KeyObject): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  // Node's job, and its callback with it, lives until the whole heap is collected: it must not hold the input.
  sign('sha256', Buffer.from(input, 'latin1'), key, (err, signature) => {
    if (err) reject(err);
    else resolve(signature);
  });
  return (await promise).toString('base64url');
}

/**
 * For processes that sign now and then. The pool has four threads: more in flight would only wait there, before file
 * and DNS work.
 */
export const poolSigner: RsaSigner = {
  lanes: 4,
  maxBatch: 1,
  sign: (inputs, key) => Promise.all(inputs.map((input) => signInPool(input, key))),
};
