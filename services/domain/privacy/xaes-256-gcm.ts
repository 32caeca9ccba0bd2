import { createCipheriv, createDecipheriv } from 'node:crypto';

/** Bytes of a nonce: long enough to be random for any number of messages under one key. */
export const NONCE_BYTES = 24;
export const TAG_BYTES = 16;
export const KEY_BYTES = 32;

export type Sealed = { readonly ciphertext: Buffer; readonly tag: Buffer };

/** The key of one message: AES-CMAC of a counter and the first half of the nonce (NIST SP 800-108r1 §4.1). */
function messageKey(key: Uint8Array, nonce: Buffer): Buffer {
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
  const blocks = Buffer.alloc(32);
  for (const counter of [1, 2]) {
    const block = blocks.subarray((counter - 1) * 16, counter * 16);
    block[1] = counter;
    block[2] = 0x58;
    nonce.copy(block, 4, 0, 12);
    for (let at = 0; at < 16; at += 1) block[at] = (block[at] as number) ^ (subkey[at] as number);
  }
  subkey.fill(0);
  return cipher.update(blocks);
}

function checkSizes(key: Uint8Array, nonce: Buffer): void {
  if (key.length !== KEY_BYTES || nonce.length !== NONCE_BYTES) throw new RangeError('wrong size of key or nonce');
}

/** Encrypts with AES-256-GCM under a key derived for this nonce (C2SP XAES-256-GCM). */
export function xaesSeal(key: Uint8Array, nonce: Buffer, plain: Uint8Array, aad: Uint8Array): Sealed {
  checkSizes(key, nonce);
  const derived = messageKey(key, nonce);
  const cipher = createCipheriv('aes-256-gcm', derived, nonce.subarray(12)).setAAD(aad);
  const ciphertext = Buffer.concat([cipher.update(plain), cipher.final()]);
  derived.fill(0);
  return { ciphertext, tag: cipher.getAuthTag() };
}

/** @throws when key, nonce, associated data, ciphertext or tag differ from those of `xaesSeal` */
export function xaesOpen(key: Uint8Array, nonce: Buffer, { ciphertext, tag }: Sealed, aad: Uint8Array): Buffer {
  checkSizes(key, nonce);
  const derived = messageKey(key, nonce);
  try {
    const decipher = createDecipheriv('aes-256-gcm', derived, nonce.subarray(12), { authTagLength: TAG_BYTES });
    decipher.setAAD(aad).setAuthTag(tag);
    return Buffer.concat([decipher.update(ciphertext), decipher.final()]);
  } finally {
    derived.fill(0);
  }
}
