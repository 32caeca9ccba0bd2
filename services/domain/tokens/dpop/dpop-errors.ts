import { defineError } from '#services/platform/define/error.ts';

export const dpopProofInvalid = defineError({
  code: 'dpop_proof_invalid',
  status: 401,
  oauthStatus: 400,
  oauthError: 'invalid_dpop_proof',
  title: 'The DPoP proof does not hold',
  cause:
    'RFC 9449 §4.3: one header with one JWT of typ dpop+jwt, by a public key in its header, for this method, address and token, not older than a minute and not used before.',
  fix: 'Make a new proof for every request; mind the clock.',
  retryable: false,
});

export const dpopNonceRequired = defineError({
  code: 'dpop_nonce_required',
  status: 401,
  oauthStatus: 400,
  oauthError: 'use_dpop_nonce',
  title: 'The DPoP proof must carry the nonce of this answer',
  cause: 'The server wants proofs made now (RFC 9449 §8, §9), or the nonce is older than some minutes.',
  fix: 'Repeat the request with a proof whose `nonce` is the DPoP-Nonce header of this answer.',
  retryable: true,
});
