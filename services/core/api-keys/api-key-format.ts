import { hash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import type { Random } from '../ports.ts';

/**
 * `sp_ak_<id>_<secret><checksum>`: the id in 32 hex digits, 256 random bits and a CRC-32 in base 62. Secret scanners
 * find it by the prefix, and use the checksum to reject look-alikes.
 */
export const API_KEY_PREFIX = 'sp_ak_';

const FORM = /^sp_ak_([0-9a-f]{32})_([0-9A-Za-z]{43})([0-9A-Za-z]{6})$/;
const SECRET_BYTES = 32;
const SECRET_CHARACTERS = 43;
const CHECKSUM_CHARACTERS = 6;
const DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

type NewApiKeySecret = {
  /** The whole key. It is shown once. */
  readonly text: string;
  /** The only part of it that is stored. */
  readonly hash: Buffer;
};

export type PresentedApiKey = { readonly id: string; readonly hash: Buffer };

function base62(bytes: Uint8Array, length: number): string {
  let value = BigInt(`0x${Buffer.from(bytes).toString('hex')}`);
  let text = '';
  while (text.length < length) {
    text = DIGITS.charAt(Number(value % 62n)) + text;
    value /= 62n;
  }
  return text;
}

/** In numbers, because BigInts would be most of the cost of verifying a key. */
function checksumOf(text: string): string {
  let checksum = '';
  for (let value = crc32(text); checksum.length < CHECKSUM_CHARACTERS; value = Math.floor(value / 62))
    checksum = DIGITS.charAt(value % 62) + checksum;
  return checksum;
}

/** 256 random bits need no slow hash. The hash covers the id, so the hash of one row is useless in another. */
const secretHash = (hexId: string, secret: string): Buffer => hash('sha256', `${hexId}.${secret}`, 'buffer');

export function newApiKeySecret(random: Random, id: string): NewApiKeySecret {
  const hexId = id.replaceAll('-', '');
  const secret = base62(random.bytes(SECRET_BYTES), SECRET_CHARACTERS);
  const text = `${API_KEY_PREFIX}${hexId}_${secret}`;
  return { text: text + checksumOf(text), hash: secretHash(hexId, secret) };
}

/** Id and hash of a well-formed key with the right checksum, or null. No I/O. */
export function parseApiKey(text: string): PresentedApiKey | null {
  const found = FORM.exec(text);
  if (!found) return null;
  const [, hexId = '', secret = '', checksum] = found;
  if (checksumOf(`${API_KEY_PREFIX}${hexId}_${secret}`) !== checksum) return null;
  return { id: hexId.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5'), hash: secretHash(hexId, secret) };
}
