import { createHmac, type KeyObject, timingSafeEqual, verify } from 'node:crypto';
import { derOfRaw } from './ecdsa-form.ts';

/** A verification key. `audience` is set for HS256 only: the secret is shared with that one audience. */
export type VerificationKey = {
  readonly kid: string;
  /** JWS `alg` (RFC 7518 §3.1, RFC 8037). */
  readonly alg: 'RS256' | 'ES256' | 'EdDSA' | 'HS256';
  readonly key: KeyObject;
  readonly audience?: string;
};

/** Bytes of an ES256 (r ‖ s) or Ed25519 signature (RFC 7518 §3.4, RFC 8032 §5.1.6). */
const CURVE_SIGNATURE_BYTES = 64;

const isZero = (bytes: Buffer, from: number, to: number): boolean => {
  for (let at = from; at < to; at += 1) if (bytes[at] !== 0) return false;
  return true;
};

/**
 * Verifies a JWS signature with the algorithm of the key, whatever the token's header says.
 * @param signingInput ASCII, `header.payload` (RFC 7515 §5.2)
 */
export function verifySignature(key: VerificationKey, signingInput: string, signature: Buffer): boolean {
  const input = Buffer.from(signingInput, 'latin1');
  switch (key.alg) {
    case 'RS256':
      return verify('sha256', input, key.key, signature);
    case 'ES256':
      // Some verifiers accepted r = 0 or s = 0 for any message (CVE-2022-21449).
      if (signature.length !== CURVE_SIGNATURE_BYTES || isZero(signature, 0, 32) || isZero(signature, 32, 64))
        return false;
      return verify('sha256', input, key.key, derOfRaw(signature));
    case 'EdDSA':
      return signature.length === CURVE_SIGNATURE_BYTES && verify(null, input, key.key, signature);
    case 'HS256': {
      const expected = createHmac('sha256', key.key).update(input).digest();
      return signature.length === expected.length && timingSafeEqual(signature, expected);
    }
  }
}
