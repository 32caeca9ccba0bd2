import { defineError } from '#services/platform/define/error.ts';

/** The same for an unknown key and for a key of another owner. */
export const apiKeyUnknown = defineError({
  code: 'api_key_unknown',
  status: 404,
  title: 'API key not found',
  cause: 'You have no API key with this id.',
  fix: 'List your keys with GET /v1/api-keys.',
});

export const apiKeyOver = defineError({
  code: 'api_key_over',
  status: 409,
  title: 'API key expired or revoked',
  cause:
    'The key was revoked or has expired, all sessions of its owner were ended after it was created, or its owner is disabled or deleted.',
  fix: 'Create a new API key.',
});

export const apiKeyTooMany = defineError({
  code: 'api_key_too_many',
  status: 409,
  title: 'Too many API keys',
  cause: 'An owner can have 50 keys that are live or were created within the last day.',
  fix: 'Revoke keys that are not used (see `last_used_at`). A revoked key still counts until a day after it was created; wait until then to create another.',
});

export const apiKeyPublicKeyInvalid = defineError({
  code: 'api_key_public_key_invalid',
  title: 'Public key not supported',
  cause: '`public_key` is not a P-256 or Ed25519 public key as a JWK.',
  fix: 'Send only kty, crv, x (and y for P-256) of the public key.',
});

export const apiKeySignatureInvalid = defineError({
  code: 'api_key_signature_invalid',
  status: 401,
  title: 'Request signature missing or invalid',
  cause:
    'This API key requires signed requests (RFC 9421). The signature is missing, does not verify, covers too little, is too old, or its nonce was used before.',
  fix: 'Sign @method, @target-uri and, for a request with a body, content-digest, with the parameters created, nonce and keyid.',
});

/** Keys are checked in memory: a copy whose memory may be outdated accepts none. */
export const apiKeysStale = defineError({
  code: 'api_keys_stale',
  status: 503,
  title: 'API keys cannot be verified now',
  cause: 'PostgreSQL is unreachable, so the API keys in the memory of this API process may be outdated.',
  fix: 'Retry after Retry-After. Operators: check PostgreSQL and /readyz.',
});
