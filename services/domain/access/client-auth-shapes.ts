/** How a client authenticates at the OAuth endpoints (RFC 7591 §2, RFC 7523 §2.2); `none`: a public client. */
const SECRET_METHODS = ['client_secret_basic', 'client_secret_post'] as const;
/** Methods by which an existing client may be changed to authenticate. */
export const CONFIDENTIAL_METHODS = [...SECRET_METHODS, 'private_key_jwt'] as const;
export const AUTH_METHODS = [...CONFIDENTIAL_METHODS, 'none'] as const;

export type AuthMethod = (typeof AUTH_METHODS)[number];
export type ConfidentialMethod = (typeof CONFIDENTIAL_METHODS)[number];

export const usesSecret = (method: string): boolean => SECRET_METHODS.some((name) => name === method);

/** Algorithms of client assertions; `Ed25519` is another name of EdDSA with this curve (RFC 9864). */
export const ASSERTION_ALGORITHMS = ['PS256', 'ES256', 'EdDSA', 'Ed25519', 'RS256'] as const;

/** Keys that a set of a client may have, usable or not. */
export const CLIENT_KEYS_MAX = 10;
