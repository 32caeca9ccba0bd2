/** Algorithms of signing keys that anyone can verify with the key set (RFC 7518 §3.1, RFC 8037 §3.1). */
export const ASYMMETRIC_ALGORITHMS = ['RS256', 'ES256', 'EdDSA'] as const;
export type AsymmetricAlgorithm = (typeof ASYMMETRIC_ALGORITHMS)[number];
