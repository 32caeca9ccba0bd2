/** RFC 8628 §3.4. */
export const DEVICE_GRANT = 'urn:ietf:params:oauth:grant-type:device_code';
/** RFC 8693 §2.1. */
export const TOKEN_EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';
/** RFC 7523 §2.1; for the assertions of draft-ietf-oauth-identity-assertion-authz-grant alone. */
export const JWT_BEARER = 'urn:ietf:params:oauth:grant-type:jwt-bearer';

/** Every grant type that the token endpoint supports and a client may be allowed. */
export const GRANT_TYPES = [
  'authorization_code',
  'client_credentials',
  'refresh_token',
  DEVICE_GRANT,
  TOKEN_EXCHANGE,
  JWT_BEARER,
] as const;

/** Address for logout tokens (OpenID Connect Back-Channel Logout §2.2): absolute, without user part and fragment. */
export const LOGOUT_URI = /^https?:\/\/[\w.:[\]-]+([/?][\x21\x22\x24-\x5b\x5d-\x7e]*)?$/;
