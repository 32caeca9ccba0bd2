import { z } from 'zod';
import { endpointsOf } from '#services/platform/define/endpoint.ts';

const defineEndpoint = endpointsOf('Discovery');
const CACHE = 'public, max-age=300';
const url = z.url();

/** RFC 8414 §2; unsupported features are left out. */
export const serverMetadataShape = z.object({
  issuer: url,
  authorization_endpoint: url,
  token_endpoint: url,
  /** Present if clients may register themselves. */
  registration_endpoint: url.optional(),
  client_id_metadata_document_supported: z.boolean(),
  pushed_authorization_request_endpoint: url,
  /** Not required in general; a client can require it for itself (RFC 9126 §6). */
  require_pushed_authorization_requests: z.literal(false),
  device_authorization_endpoint: url,
  /** CIBA Core §4: present where people can sign off what clients ask for. */
  backchannel_authentication_endpoint: url.optional(),
  backchannel_token_delivery_modes_supported: z.array(z.string()).optional(),
  backchannel_user_code_parameter_supported: z.literal(false).optional(),
  introspection_endpoint: url,
  revocation_endpoint: url,
  jwks_uri: url,
  service_documentation: url,
  grant_types_supported: z.array(z.string()),
  authorization_grant_profiles_supported: z.array(z.string()),
  identity_chaining_requested_token_types_supported: z.array(z.string()),
  response_types_supported: z.array(z.string()),
  response_modes_supported: z.array(z.string()),
  code_challenge_methods_supported: z.array(z.string()),
  authorization_response_iss_parameter_supported: z.literal(true),
  dpop_signing_alg_values_supported: z.array(z.string()),
  tls_client_certificate_bound_access_tokens: z.boolean(),
  scopes_supported: z.array(z.string()),
  /** RFC 9396 §10. */
  authorization_details_types_supported: z.array(z.string()),
  token_endpoint_auth_methods_supported: z.array(z.string()),
  token_endpoint_auth_signing_alg_values_supported: z.array(z.string()),
  introspection_endpoint_auth_methods_supported: z.array(z.string()),
  introspection_endpoint_auth_signing_alg_values_supported: z.array(z.string()),
  revocation_endpoint_auth_methods_supported: z.array(z.string()),
  revocation_endpoint_auth_signing_alg_values_supported: z.array(z.string()),
});

export const readServerMetadataEndpoint = defineEndpoint({
  path: '/.well-known/oauth-authorization-server',
  operation: 'readAuthorizationServerMetadata',
  summary: 'Get the authorization server metadata (RFC 8414)',
  auth: 'public',
  responses: { 200: serverMetadataShape },
  cacheControl: CACHE,
});

export const readOpenIdConfigurationEndpoint = defineEndpoint({
  ...readServerMetadataEndpoint,
  path: '/.well-known/openid-configuration',
  operation: 'readOpenIdConfiguration',
  summary: 'Get the OpenID Connect discovery document',
  responses: {
    200: serverMetadataShape.extend({
      userinfo_endpoint: url,
      end_session_endpoint: url,
      claims_supported: z.array(z.string()),
      acr_values_supported: z.array(z.string()),
      prompt_values_supported: z.array(z.string()),
      claims_parameter_supported: z.literal(true),
      request_parameter_supported: z.literal(false),
      request_uri_parameter_supported: z.literal(false),
      backchannel_logout_supported: z.literal(true),
      backchannel_logout_session_supported: z.literal(true),
      frontchannel_logout_supported: z.literal(false),
      subject_types_supported: z.array(z.string()),
      id_token_signing_alg_values_supported: z.array(z.string()),
    }),
  },
});

/** RFC 9728 §2. */
export const resourceMetadataShape = z.object({
  resource: url,
  authorization_servers: z.array(url),
  jwks_uri: url,
  scopes_supported: z.array(z.string()),
  bearer_methods_supported: z.array(z.string()),
  dpop_signing_alg_values_supported: z.array(z.string()),
  tls_client_certificate_bound_access_tokens: z.boolean(),
  resource_name: z.string(),
  resource_documentation: url,
});

export const readResourceMetadataEndpoint = defineEndpoint({
  ...readServerMetadataEndpoint,
  path: '/.well-known/oauth-protected-resource',
  operation: 'readProtectedResourceMetadata',
  summary: 'Get the protected resource metadata (RFC 9728)',
  responses: { 200: resourceMetadataShape },
});

export const readMcpMetadataEndpoint = defineEndpoint({
  ...readServerMetadataEndpoint,
  path: '/.well-known/oauth-protected-resource/mcp',
  operation: 'readMcpResourceMetadata',
  summary: 'Get the protected resource metadata of the MCP server (RFC 9728)',
  responses: {
    200: z.object({
      resource: url,
      authorization_servers: z.array(url),
      scopes_supported: z.array(z.string()),
      bearer_methods_supported: z.array(z.string()),
      dpop_signing_alg_values_supported: z.array(z.string()),
      resource_name: z.string(),
    }),
  },
});
