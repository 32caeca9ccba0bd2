import { keyRingBehind } from '#services/core/keys/errors.ts';
import { revocationStateStale } from '#services/core/revocations/contract.ts';
import { defineError, type ErrorFactory } from '#services/platform/define/error.ts';
import { permissionMissing, requestInvalid, unauthenticated } from '#services/platform/errors.ts';
import { sessionEnded } from '../refresh/refresh-errors.ts';
import type { InactiveReason } from './validation-shapes.ts';

/** What a verifier in another service answers. The validate endpoint gives the same codes as `reason`. */

const malformed = defineError({
  code: 'malformed',
  status: 401,
  title: 'Token malformed',
  cause:
    'The token is not three parts of unpadded base64url with a header of alg, kid and typ, repeats a name, is longer than 8,192 characters, or lacks a required claim.',
  fix: 'Send the access token as it was issued. ID tokens, refresh tokens and API keys are not access tokens.',
});

const unknownKey = defineError({
  code: 'unknown_key',
  status: 401,
  title: 'Token signed by an unknown key',
  cause:
    'The key set has no key with this kid that the verifier accepts: the key has retired, or another service issued the token.',
  fix: 'Sign in again. Developers: check `issuer` and `algorithms` of the verifier.',
});

const badSignature = defineError({
  code: 'bad_signature',
  status: 401,
  title: 'Token signature invalid',
  cause: 'The signature does not match the token, or the header names another algorithm than that of the key.',
  fix: 'Send the access token as it was issued.',
});

const wrongType = defineError({
  code: 'wrong_type',
  status: 401,
  title: 'Not an access token',
  cause: 'The header `typ` is not at+jwt (RFC 9068 §2.1), as in an ID token.',
  fix: 'Send the access token.',
});

const wrongIssuer = defineError({
  code: 'wrong_issuer',
  status: 401,
  title: 'Token of another issuer',
  cause: 'The claim `iss` differs from the issuer of the verifier.',
  fix: 'Request the token from the issuer that this service trusts. Developers: `issuer` must equal JWT_ISSUER exactly.',
});

const wrongAudience = defineError({
  code: 'wrong_audience',
  status: 401,
  title: 'Token for another audience',
  cause: 'The claim `aud` does not contain the audience of the verifier.',
  fix: 'Request a token with this service as `resource`. Developers: check `audience` of the verifier.',
});

const expired = defineError({
  code: 'expired',
  status: 401,
  title: 'Token expired',
  cause: 'The time in `exp` has passed by more than the allowed clock skew.',
  fix: 'Refresh, then send the new token.',
});

const notYetValid = defineError({
  code: 'not_yet_valid',
  status: 401,
  title: 'Token not valid yet',
  cause: 'The time in `nbf` or `iat` lies in the future by more than the allowed clock skew.',
  fix: 'Check the clock of this service (NTP).',
});

const revoked = defineError({
  code: 'revoked',
  status: 401,
  title: 'Token revoked',
  cause: 'The token, its family, or every token of its user or client issued before a certain moment was revoked.',
  fix: 'Sign in again.',
});

const familyReused = defineError({
  code: 'family_reused',
  status: 401,
  title: 'Token family revoked after a replay',
  cause: 'An old refresh token of the family was used after its successor, so all tokens of that sign-in were revoked.',
  fix: 'Sign in again, and find out which client used the old refresh token.',
});

const keyCompromised = defineError({
  code: 'key_compromised',
  status: 401,
  title: 'Token signed by a compromised key',
  cause: 'An operator marked the key as compromised, so no token that it signed is accepted.',
  fix: 'Sign in again.',
});

const bindingMismatch = defineError({
  code: 'binding_mismatch',
  status: 401,
  title: 'Proof of possession missing or wrong',
  cause:
    'The token is bound to a key or a certificate, and the request has no valid DPoP proof for this method, URL and token, or came over a connection without that certificate. Or a token that is not bound was sent with a proof.',
  fix: 'Send a new proof with every request under the scheme DPoP, or use the client certificate of the token.',
});

/** Of a verifier in another service: the API refuses the client with which that service reads revocations. */
export const clientRefused = defineError({
  code: 'client_refused',
  status: 503,
  title: 'Client of this service refused',
  cause:
    'The API refuses the client with which this service reads revocations: it answers 401 if the client is unknown or disabled or its secret is wrong, and 403 if the client lacks the permission revocations:read. Without revocations the service cannot decide about tokens.',
  fix: 'Operators of this service: give the verifier the client id and secret of a client that has the credential scope revocations:read. `npx sallyport clients list` shows the clients, and `npx sallyport clients rotate-secret` makes a new secret.',
});

const tooManyProofs = defineError({
  code: 'too_many_proofs',
  status: 503,
  title: 'Too many DPoP proofs',
  cause:
    'A service remembers used proofs for as long as they could be used again. It has no room for another, and without room it would not notice a replay.',
  fix: 'Try again after Retry-After. Developers: find the client that sends so many proofs, or run more processes.',
});

const insufficientScope = defineError({
  code: 'insufficient_scope',
  status: 403,
  title: 'Scope missing',
  cause: 'The token lacks a scope that this operation requires (RFC 6750 §3.1).',
  fix: 'Request a token with the scope.',
});

const authorizationMissing = defineError({
  code: 'authorization_missing',
  status: 403,
  title: 'Authorization detail missing',
  cause: 'No authorization detail of the token allows this act (RFC 9396): none has its type and its exact values.',
  fix: 'Request a token with a detail that allows exactly this act, so that the user is asked for it.',
});

/** Why a verifier does not accept a token. */
const reasonErrors = {
  malformed,
  unknown_key: unknownKey,
  bad_signature: badSignature,
  wrong_type: wrongType,
  wrong_issuer: wrongIssuer,
  wrong_audience: wrongAudience,
  expired,
  not_yet_valid: notYetValid,
  revoked,
  session_ended: sessionEnded,
  family_reused: familyReused,
  key_compromised: keyCompromised,
  binding_mismatch: bindingMismatch,
  insufficient_scope: insufficientScope,
} as const satisfies Record<Exclude<InactiveReason, 'unknown_id'>, ErrorFactory>;

/** Every code of the verifier packages: of the request, of the verifier's state, of the token, of the caller's rights. */
export const verifierErrors: readonly ErrorFactory[] = [
  unauthenticated,
  requestInvalid,
  revocationStateStale,
  keyRingBehind,
  clientRefused,
  tooManyProofs,
  ...Object.values(reasonErrors),
  permissionMissing,
  authorizationMissing,
];
