import { createSecretKey, type KeyObject } from 'node:crypto';

const known = new WeakMap<Buffer, KeyObject>();

/** The same key as a KeyObject: `createHmac` on bytes makes one each time, which costs five times the MAC itself. */
export function hmacKey(bytes: Buffer): KeyObject {
  let key = known.get(bytes);
  if (key === undefined) {
    key = createSecretKey(bytes);
    known.set(bytes, key);
  }
  return key;
}
