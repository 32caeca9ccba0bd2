/** RFC 8628 §3.4. */
export const DEVICE_GRANT = 'urn:ietf:params:oauth:grant-type:device_code';
/** RFC 8693 §2.1. */
export const TOKEN_EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';
/** RFC 7523 §2.1; for the assertions of draft-ietf-oauth-identity-assertion-authz-grant alone. */
export const JWT_BEARER = 'urn:ietf:params:oauth:grant-type:jwt-bearer';
/** OpenID Connect CIBA Core 1.0 §10.1; a wing offers it. */
export const CIBA_GRANT = 'urn:openid:params:grant-type:ciba';

/** The grant types of the core. */
export const CORE_GRANT_TYPES = [
  'authorization_code',
  'client_credentials',
  'refresh_token',
  DEVICE_GRANT,
  TOKEN_EXCHANGE,
  JWT_BEARER,
] as const;
/** Every grant type that a client may be allowed. */
export const GRANT_TYPES = [...CORE_GRANT_TYPES, CIBA_GRANT] as const;

/** Address for pings (CIBA Core §4). */
export const NOTIFICATION_URI = /^https:\/\/[\w.:[\]-]+([/?][\x21\x22\x24-\x5b\x5d-\x7e]*)?$/;
/** Address for logout tokens (OpenID Connect Back-Channel Logout §2.2): absolute, without user part and fragment. */
export const LOGOUT_URI = /^https?:\/\/[\w.:[\]-]+([/?][\x21\x22\x24-\x5b\x5d-\x7e]*)?$/;
