export const CRYPT_ALPHABET = './0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

/** Characters of crypt(3) for three bytes, the lowest six bits first. */
export function toCrypt64(high: number, middle: number, low: number, length: number): string {
  let text = '';
  for (let at = 0, left = (high << 16) | (middle << 8) | low; at < length; at += 1, left >>= 6)
    text += CRYPT_ALPHABET[left & 63];
  return text;
}
