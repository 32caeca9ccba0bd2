import { createCipheriv, createDecipheriv } from 'node:crypto';

/** Bytes of a nonce: long enough to be random for any number of messages under one key. */
export const NONCE_BYTES = 24;
export const TAG_BYTES = 16;
export const KEY_BYTES = 32;

type Sealed = { readonly ciphertext: Buffer; readonly tag: Buffer };

/** A key ready for use. Making one costs as much as a use, so keep one for a key that is used often. */
export type XaesKey = {
  /** Encrypts with AES-256-GCM under a key derived for this nonce (C2SP XAES-256-GCM). */
  seal(nonce: Buffer, plain: Uint8Array, aad: Uint8Array): Sealed;
  /** @throws when key, nonce, associated data, ciphertext or tag differ from those of `seal` */
  open(nonce: Buffer, sealed: Sealed, aad: Uint8Array): Buffer;
};

/** @param key 32 bytes; may be overwritten afterwards */
export function xaesKey(key: Uint8Array): XaesKey {
  if (key.length !== KEY_BYTES) throw new RangeError('wrong size of key');
  const cipher = createCipheriv('aes-256-ecb', key, null).setAutoPadding(false);
  const subkey = cipher.update(Buffer.alloc(16));
  // Doubles in GF(2^128), without a branch on the key.
  let carry = 0;
  for (let at = 15; at >= 0; at -= 1) {
    const byte = subkey[at] as number;
    subkey[at] = (byte << 1) | carry;
    carry = byte >> 7;
  }
  subkey[15] = (subkey[15] as number) ^ (carry * 0x87);

  /** The key of one message: AES-CMAC of a counter and the first half of the nonce (NIST SP 800-108r1 §4.1). */
  function messageKey(nonce: Buffer): Buffer {
    if (nonce.length !== NONCE_BYTES) throw new RangeError('wrong size of nonce');
    const blocks = Buffer.alloc(32);
    for (const counter of [1, 2]) {
      const block = blocks.subarray((counter - 1) * 16, counter * 16);
      block[1] = counter;
      block[2] = 0x58;
      nonce.copy(block, 4, 0, 12);
      for (let at = 0; at < 16; at += 1) block[at] = (block[at] as number) ^ (subkey[at] as number);
    }
    return cipher.update(blocks);
  }

  return {
    seal(nonce, plain, aad) {
      const derived = messageKey(nonce);
      const message = createCipheriv('aes-256-gcm', derived, nonce.subarray(12)).setAAD(aad);
      derived.fill(0);
      const ciphertext = Buffer.concat([message.update(plain), message.final()]);
      return { ciphertext, tag: message.getAuthTag() };
    },
    open(nonce, { ciphertext, tag }, aad) {
      const derived = messageKey(nonce);
      const message = createDecipheriv('aes-256-gcm', derived, nonce.subarray(12), { authTagLength: TAG_BYTES });
      derived.fill(0);
      message.setAAD(aad).setAuthTag(tag);
      return Buffer.concat([message.update(ciphertext), message.final()]);
    },
  };
}
