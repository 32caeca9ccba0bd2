/** How a client authenticates at the OAuth endpoints (RFC 7591 §2, RFC 7523 §2.2); `none`: a public client. */
const SECRET_METHODS = ['client_secret_basic', 'client_secret_post'] as const;
/** By the certificate of its connection (RFC 8705 §2). */
const CERTIFICATE_METHODS = ['tls_client_auth', 'self_signed_tls_client_auth'] as const;
/** Methods by which an existing client may be changed to authenticate. */
export const CONFIDENTIAL_METHODS = [...SECRET_METHODS, 'private_key_jwt', ...CERTIFICATE_METHODS] as const;
/** Methods of the profile `fapi2` (FAPI 2.0 §5.3.2.1). */
export const FAPI_METHODS = ['private_key_jwt', ...CERTIFICATE_METHODS] as const;
export const AUTH_METHODS = [...CONFIDENTIAL_METHODS, 'none'] as const;

export type AuthMethod = (typeof AUTH_METHODS)[number];
export type ConfidentialMethod = (typeof CONFIDENTIAL_METHODS)[number];

export const usesCertificate = (method: string): method is (typeof CERTIFICATE_METHODS)[number] =>
  CERTIFICATE_METHODS.some((name) => name === method);
export const usesSecret = (method: string): boolean => SECRET_METHODS.some((name) => name === method);

/** Algorithms that FAPI 2.0 §5.4.1 allows; `Ed25519` is another name of EdDSA with this curve (RFC 9864). */
export const FAPI_ALGORITHMS = ['PS256', 'ES256', 'EdDSA', 'Ed25519'] as const;
/** Algorithms of client assertions; clients of the profile `fapi2` do without the last. */
export const ASSERTION_ALGORITHMS = [...FAPI_ALGORITHMS, 'RS256'] as const;

/** Keys that a set of a client may have, usable or not. */
export const CLIENT_KEYS_MAX = 10;

/** `fapi2`: the client meets the FAPI 2.0 Security Profile, and no setting of it may contradict that. */
export const CLIENT_PROFILES = ['default', 'fapi2'] as const;
