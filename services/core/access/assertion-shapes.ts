import { z } from 'zod';
import { componentNames } from '#services/platform/define/component-names.ts';
import { scopes, text } from './admin-shapes.ts';
import { isJwksUri } from './client-keys.ts';

/** RFC 7523 §2.2. */
export const ASSERTION_TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';
/** The token type of an identity assertion (draft-ietf-oauth-identity-assertion-authz-grant §6). */
export const ID_JAG = 'urn:ietf:params:oauth:token-type:id-jag';
/** Longest assertion that is read, in characters. */
export const LONGEST_ASSERTION = 8_192;

/** Form parameters with which a client authenticates by its keys (RFC 7521 §4.2). */
export const clientAssertion = {
  client_assertion_type: z.string().max(128).optional(),
  client_assertion: z.string().max(LONGEST_ASSERTION).optional(),
};

/** Both parameters, and the client that the form names, as they were sent. */
export type SentAssertion = { readonly type: unknown; readonly assertion: unknown; readonly clientId: unknown };

const address = text(512);
/** A name in SOCIAL_PROVIDERS. The accounts of `credential` are those of passwords: their ids are those of users. */
const provider = z.string().regex(/^(?!credential$)[a-z][a-z0-9-]{0,31}$/);

const accepted = z.strictObject({
  /** The `iss` of its assertions. */
  issuer: address,
  jwks_uri: address,
  /** The `sub` of an assertion is the account of this provider that a user has linked. */
  provider,
});
const issued = z.strictObject({
  /** The other authorization server: the `audience` of requests and the `aud` of assertions. */
  issuer: address,
  /** The id that the client has there. */
  client_id: text(255),
  scopes,
  resources: z.array(text(512)).max(20).optional(),
});

/**
 * Users who are signed in at one server act at another one by this client (draft-ietf-oauth-identity-assertion-authz-grant):
 * servers whose assertions it may redeem here, and servers for which it gets assertions of ours.
 */
export const identityAssertionsShape = z
  .strictObject({ accepts: z.array(accepted).max(10).optional(), issues: z.array(issued).max(20).optional() })
  .register(componentNames, { id: 'IdentityAssertions' });
export type IdentityAssertions = z.output<typeof identityAssertionsShape>;

/** Whether each server has an https address, or in development one on this machine. */
export const areAddressed = ({ accepts = [], issues = [] }: IdentityAssertions): boolean =>
  [...accepts.map(({ jwks_uri: uri }) => uri), ...[...accepts, ...issues].map(({ issuer }) => issuer)].every(isJwksUri);
