import type { z } from 'zod';
import type { OwnScope } from '../authority/own-scopes.ts';
import type { HasKeyRing } from '../keys/key-ring.ts';
import { ACCESS_PURPOSE } from '../keys/key-timeline.ts';
import type { HasAccess } from './access-directory.ts';
import { ID_JAG } from './assertion-shapes.ts';
import type { CertificateAuthorities } from './certificates/certificate-authorities.ts';
import {
  ASSERTION_ALGORITHMS,
  CONFIDENTIAL_METHODS,
  type ConfidentialMethod,
  usesCertificate,
} from './client-auth-shapes.ts';
import type { HasClientSettings } from './client-settings.ts';
import { CORE_GRANT_TYPES } from './grant-shapes.ts';
import type { resourceMetadataShape, serverMetadataShape } from './metadata-contract.ts';
import { PROFILE_CLAIMS } from './profile-claims.ts';

export type HasPublicAddress = {
  /** `iss` of every token; the documents contain it byte for byte (RFC 8414 §3.3). */
  readonly issuer: string;
  /** Public URL of this API, without a trailing slash. */
  readonly publicUrl: string;
  /** Tokens are bound to the client certificate that trusted proxies pass on (RFC 8705 §3.3). */
  readonly bindsCertificates: boolean;
  /** Authorities of clients that authenticate by a name in their certificate (RFC 8705 §2.1). */
  readonly certificateAuthorities: Pick<CertificateAuthorities, 'exist'>;
};

/** Grants that wings add to the token endpoint. */
export type HasGrants = { readonly grants: readonly OfferedGrant[] };
export type OfferedGrant = {
  readonly type: string;
  /** Types of authorization details that it alone grants. */
  readonly detailTypes: readonly string[];
  /** What the metadata says where it is offered. */
  metadata(publicUrl: string): Partial<ServerMetadata>;
};

const PROOF_ALGORITHMS = ['ES256', 'RS256', 'EdDSA'];

/** Claims of ID tokens and UserInfo. */
const CLAIMS = [
  'iss',
  'sub',
  'aud',
  'exp',
  'iat',
  'auth_time',
  'nonce',
  'at_hash',
  'amr',
  'acr',
  'sid',
  ...PROFILE_CLAIMS,
] as const;

/** Methods of confidential clients; those by certificate only as far as certificates are read and verified. */
export const confidentialMethods = ({
  bindsCertificates,
  certificateAuthorities,
}: Pick<HasPublicAddress, 'bindsCertificates' | 'certificateAuthorities'>): readonly ConfidentialMethod[] =>
  CONFIDENTIAL_METHODS.filter(
    (method) =>
      !usesCertificate(method) ||
      (bindsCertificates && (method === 'self_signed_tls_client_auth' || certificateAuthorities.exist)),
  );

/** With lists that do not change. */
type Shown<T> = { readonly [K in keyof T]: T[K] extends readonly string[] ? readonly string[] : T[K] };
type ServerMetadata = Shown<z.output<typeof serverMetadataShape>>;

/** Authorization server metadata (RFC 8414 §2), with only the enabled endpoints. */
export function serverMetadata(ports: HasAccess & HasClientSettings & HasPublicAddress & HasGrants): ServerMetadata {
  const { issuer, publicUrl, clientSettings, grants } = ports;
  const methods = confidentialMethods(ports);
  return {
    issuer,
    authorization_endpoint: `${publicUrl}/oauth2/authorize`,
    token_endpoint: `${publicUrl}/oauth2/token`,
    ...(clientSettings.registration === 'off' ? {} : { registration_endpoint: `${publicUrl}/oauth2/register` }),
    client_id_metadata_document_supported: clientSettings.readsDocuments,
    pushed_authorization_request_endpoint: `${publicUrl}/oauth2/par`,
    require_pushed_authorization_requests: false,
    device_authorization_endpoint: `${publicUrl}/oauth2/device_authorization`,
    introspection_endpoint: `${publicUrl}/oauth2/introspect`,
    revocation_endpoint: `${publicUrl}/oauth2/revoke`,
    jwks_uri: `${publicUrl}/.well-known/jwks.json`,
    service_documentation: `${publicUrl}/docs`,
    grant_types_supported: [...CORE_GRANT_TYPES, ...grants.map(({ type }) => type)],
    ...Object.assign({}, ...grants.map((grant) => grant.metadata(publicUrl))),
    authorization_grant_profiles_supported: ['urn:ietf:params:oauth:grant-profile:id-jag'],
    identity_chaining_requested_token_types_supported: [ID_JAG],
    response_types_supported: ['code'],
    response_modes_supported: ['query', 'form_post'],
    code_challenge_methods_supported: ['S256'],
    authorization_response_iss_parameter_supported: true,
    dpop_signing_alg_values_supported: PROOF_ALGORITHMS,
    tls_client_certificate_bound_access_tokens: ports.bindsCertificates,
    scopes_supported: ports.access.publishedScopes(),
    authorization_details_types_supported: [
      ...grants.flatMap(({ detailTypes }) => detailTypes),
      ...ports.access.publishedDetailTypes(),
    ],
    // `none` is a public client, which identifies itself by its client_id.
    token_endpoint_auth_methods_supported: [...methods, 'none'],
    token_endpoint_auth_signing_alg_values_supported: ASSERTION_ALGORITHMS,
    introspection_endpoint_auth_methods_supported: methods,
    introspection_endpoint_auth_signing_alg_values_supported: ASSERTION_ALGORITHMS,
    revocation_endpoint_auth_methods_supported: [...methods, 'none'],
    revocation_endpoint_auth_signing_alg_values_supported: ASSERTION_ALGORITHMS,
  };
}

/**
 * OpenID Connect Discovery 1.0 §3. The algorithms are those of active keys, and of the key that follows the default one. A
 * client cannot be registered for an additional algorithm before its first key signs.
 */
export function openIdConfiguration(
  ports: HasAccess & HasClientSettings & HasPublicAddress & HasGrants & HasKeyRing,
): ServerMetadata & {
  readonly userinfo_endpoint: string;
  readonly end_session_endpoint: string;
  readonly claims_supported: readonly string[];
  readonly acr_values_supported: readonly string[];
  readonly prompt_values_supported: readonly string[];
  readonly claims_parameter_supported: true;
  readonly request_parameter_supported: false;
  readonly request_uri_parameter_supported: false;
  readonly backchannel_logout_supported: true;
  readonly backchannel_logout_session_supported: true;
  readonly frontchannel_logout_supported: false;
  readonly subject_types_supported: readonly string[];
  readonly id_token_signing_alg_values_supported: readonly string[];
} {
  const signing = ports.keyRing
    .list()
    .filter(({ state, purpose }) => state === 'active' || (state === 'pending' && purpose === ACCESS_PURPOSE));
  const algorithms = new Set<string>(signing.map((key) => key.alg));
  algorithms.delete('HS256');
  return {
    ...serverMetadata(ports),
    userinfo_endpoint: `${ports.publicUrl}/oauth2/userinfo`,
    end_session_endpoint: `${ports.publicUrl}/oauth2/end_session`,
    subject_types_supported: ['public'],
    claims_supported: CLAIMS,
    acr_values_supported: ['aal1', 'aal2'],
    prompt_values_supported: ['none', 'login', 'consent', 'select_account'],
    claims_parameter_supported: true,
    request_parameter_supported: false,
    // If omitted it defaults to true (OpenID Connect Discovery §3).
    request_uri_parameter_supported: false,
    backchannel_logout_supported: true,
    backchannel_logout_session_supported: true,
    frontchannel_logout_supported: false,
    id_token_signing_alg_values_supported: [...algorithms].sort(),
  };
}

/**
 * The scopes that the MCP server names: those by which a user lets an application read the account. A client asks for
 * all that are named, and permissions are none that an application may ask a user for.
 */
export type HasOwnScopes = { readonly ownScopes: readonly OwnScope[] };

/** Metadata of the MCP server at one of its addresses (RFC 9728 §2); clients refuse a `resource` that is not the address. */
export const mcpMetadata = (
  { issuer, ownScopes }: Pick<HasPublicAddress, 'issuer'> & HasOwnScopes,
  resource: string,
): Pick<
  ResourceMetadata,
  | 'resource'
  | 'authorization_servers'
  | 'scopes_supported'
  | 'bearer_methods_supported'
  | 'dpop_signing_alg_values_supported'
  | 'resource_name'
> => ({
  resource,
  authorization_servers: [issuer],
  scopes_supported: ownScopes,
  bearer_methods_supported: ['header'],
  dpop_signing_alg_values_supported: PROOF_ALGORITHMS,
  resource_name: 'Sallyport MCP',
});

type ResourceMetadata = Shown<z.output<typeof resourceMetadataShape>>;

/** Protected resource metadata (RFC 9728 §2); `resource` equals the URL under which it is served (§3.3). */
export function resourceMetadata(ports: HasAccess & HasPublicAddress): ResourceMetadata {
  const { issuer, publicUrl } = ports;
  return {
    resource: publicUrl,
    authorization_servers: [issuer],
    jwks_uri: `${publicUrl}/.well-known/jwks.json`,
    scopes_supported: ports.access.publishedScopes(),
    bearer_methods_supported: ['header'],
    dpop_signing_alg_values_supported: PROOF_ALGORITHMS,
    tls_client_certificate_bound_access_tokens: ports.bindsCertificates,
    resource_name: 'Sallyport',
    resource_documentation: `${publicUrl}/docs`,
  };
}
