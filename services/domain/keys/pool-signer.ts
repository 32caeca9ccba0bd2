import { type KeyObject, sign } from 'node:crypto';
import { promisify } from 'node:util';
import type { RsaSigner } from '../ports.ts';

const signLater = promisify(sign);

/** One RS256 signature in Node's own pool, base64url. */
export async function signInPool(input: string, key: KeyObject): Promise<string> {
  const signature = await signLater('sha256', Buffer.from(input, 'latin1'), key);
  return signature.toString('base64url');
}

/** For processes that sign now and then. The pool has four threads: more in flight would only wait there, before file and DNS work. */
export const poolSigner: RsaSigner = {
  lanes: 4,
  maxBatch: 1,
  sign: (inputs, key) => Promise.all(inputs.map((input) => signInPool(input, key))),
};
