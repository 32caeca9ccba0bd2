/**
 * Verifies Sallyport access tokens offline, and refuses revoked ones within a second.
 * @module
 */
export {
  type ApiKeyClaims,
  type ApiKeyVerifier,
  type ApiKeyVerifierOptions,
  createApiKeyVerifier,
} from './api-key.ts';
export { type AccessTokenClaims, type AuthorizationDetail, requireAuthorization, type TokenOrigin } from './claims.ts';
export { type Refusal, type VerifierCode, VerifierError } from './codes.ts';
export type { Proof } from './dpop.ts';
export { type FeedWriter, writeFeedFile } from './feed-writer.ts';
export { CODES, DEFAULTS } from './generated/contract.ts';
export type { Algorithm, LegacyIssuer, VerifierEvent, VerifierOptions } from './options.ts';
export {
  type Authenticated,
  authenticate,
  authOf,
  type RefusalResponse,
  type RequestFacts,
  type RouteRequirements,
} from './request.ts';
export {
  type Accepted,
  createVerifier,
  type Requirements,
  type Verifier,
  type VerifierState,
  type VerifyResult,
} from './verifier.ts';
