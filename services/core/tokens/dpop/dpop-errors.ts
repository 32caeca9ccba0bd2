import { defineError } from '#services/platform/define/error.ts';

export const dpopProofInvalid = defineError({
  code: 'dpop_proof_invalid',
  status: 401,
  oauthStatus: 400,
  oauthError: 'invalid_dpop_proof',
  title: 'DPoP proof invalid',
  cause:
    'The proof does not meet RFC 9449 §4.3: one DPoP header with one JWT of typ dpop+jwt, signed by the public key in its header, for this method, URL and access token, at most a minute old and never used before.',
  fix: 'Create a new proof for every request, and check the clock of the client.',
});

export const dpopNonceRequired = defineError({
  code: 'dpop_nonce_required',
  status: 401,
  oauthStatus: 400,
  oauthError: 'use_dpop_nonce',
  title: 'DPoP nonce required',
  cause:
    'The proof has no nonce, which the server requires (RFC 9449 §8, §9), or its nonce has expired (2 to 4 minutes after it was issued).',
  fix: 'Repeat the request with a new proof whose `nonce` is the DPoP-Nonce header of this response.',
  retryable: true,
});
