import { type KeyObject, sign } from 'node:crypto';

const INTEGER_BYTES = 32;

/** An ASN.1 INTEGER, right-aligned in 32 bytes: a sign byte goes, missing leading zeros come. */
function copyInteger(der: Buffer, at: number, length: number, target: Buffer, targetAt: number): void {
  const skipped = Math.max(0, length - INTEGER_BYTES);
  der.copy(target, targetAt + INTEGER_BYTES - (length - skipped), at + skipped, at + length);
}

/**
 * R and S side by side (RFC 7518 §3.4) of a DER signature over P-256, whose lengths all fit one byte.
 * Asking node:crypto for this form takes an options object, and taking that apart costs as much as signing.
 */
export function joseSignatureOf(der: Buffer): Buffer {
  const signature = Buffer.alloc(2 * INTEGER_BYTES);
  const rLength = der[3] as number;
  const sAt = 4 + rLength + 2;
  copyInteger(der, 4, rLength, signature, 0);
  copyInteger(der, sAt, der[sAt - 1] as number, signature, INTEGER_BYTES);
  return signature;
}

/** An ES256 signature as JOSE writes it. */
export const signEs256 = (data: Buffer, key: KeyObject): Buffer => joseSignatureOf(sign('sha256', data, key));
