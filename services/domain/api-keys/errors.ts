import { defineError } from '#services/platform/define/error.ts';

/** The same for no such key and somebody else's. */
export const apiKeyUnknown = defineError({
  code: 'api_key_unknown',
  status: 404,
  title: 'There is no such API key',
  cause: 'No key of yours has this id.',
  fix: 'See GET /v1/api-keys.',
  retryable: false,
});

export const apiKeyOver = defineError({
  code: 'api_key_over',
  status: 409,
  title: 'This API key is over',
  cause: 'It was revoked, has expired, or was made before every login of its owner was ended.',
  fix: 'Make a new one.',
  retryable: false,
});

export const apiKeyTooMany = defineError({
  code: 'api_key_too_many',
  status: 409,
  title: 'There are too many API keys',
  cause: 'At most 50 keys of an owner are live or were made within the last day.',
  fix: 'Revoke those that are not used: `last_used_at` tells. Those made lately count for a day.',
  retryable: false,
});

export const apiKeyPublicKeyInvalid = defineError({
  code: 'api_key_public_key_invalid',
  status: 400,
  title: 'The public key cannot be used',
  cause: 'It is no P-256 or Ed25519 public key in the form of a JWK.',
  fix: 'Send kty, crv, x (and y for P-256) of the public key alone.',
  retryable: false,
});

export const apiKeySignatureInvalid = defineError({
  code: 'api_key_signature_invalid',
  status: 401,
  title: 'The request is not signed as this API key asks',
  cause: 'The signature (RFC 9421) is missing, does not verify, covers too little, is too old, or its nonce was used.',
  fix: 'Sign @method, @target-uri and, with a body, content-digest; with created, nonce and keyid.',
  retryable: false,
});

/** Keys are checked in memory: where that may be old, nothing is let in. */
export const apiKeysStale = defineError({
  code: 'api_keys_stale',
  status: 503,
  title: 'API keys cannot be checked now',
  cause: 'What this copy knows of keys is older than the bound: PostgreSQL is out of reach.',
  fix: 'Try again after Retry-After; operators: check PostgreSQL and /readyz.',
  retryable: true,
});
