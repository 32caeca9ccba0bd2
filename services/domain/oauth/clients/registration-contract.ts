import { z } from 'zod';
import { CERTIFICATE_NAME_MEMBERS } from '#services/domain/access/certificates/certificate-shapes.ts';
import { defineEndpoint } from '#services/platform/define/endpoint.ts';
import {
  idempotencyKeyReused,
  permissionMissing,
  requestInvalid,
  storeUnavailable,
  unauthenticated,
} from '#services/platform/errors.ts';
import {
  clientMetadataInvalid,
  clientRedirectUriInvalid,
  registrationClosed,
  registrationFull,
} from '../client-errors.ts';
import { clientsRegister } from '../permissions.ts';

/** Documents a member without validating it: `readClientMetadata` answers with the error codes of RFC 7591 §3.2.2. */
const member = (description: string) => z.unknown().optional().meta({ description });

/** The same schema for each name of a certificate. */
const names = <T>(schema: T): Record<(typeof CERTIFICATE_NAME_MEMBERS)[number], T> =>
  Object.fromEntries(CERTIFICATE_NAME_MEMBERS.map((name) => [name, schema])) as Record<
    (typeof CERTIFICATE_NAME_MEMBERS)[number],
    T
  >;

export const selfRegisterClientEndpoint = defineEndpoint({
  method: 'POST',
  path: '/oauth2/register',
  operation: 'selfRegisterClient',
  summary:
    'Register a client dynamically (RFC 7591), if CLIENT_REGISTRATION allows it; only this response shows its secret',
  tag: 'OAuth',
  auth: { accepts: ['bearer'], for: 'anyone', permission: clientsRegister.name, subject: 'none' },
  limit: 'credential',
  bodyLimit: 32_768,
  body: z.looseObject({
    redirect_uris: member('Up to 4 URIs of up to 512 characters; https, loopback, or a private-use scheme.'),
    post_logout_redirect_uris: member('Where it may send users after they sign out; limits as for redirect_uris.'),
    backchannel_logout_uri: member(
      'Where logout tokens are sent when a session ends; https, up to 512 characters (OpenID Connect Back-Channel Logout §2.2).',
    ),
    backchannel_logout_session_required: member('The client needs `sid` in logout tokens; they always have it.'),
    token_endpoint_auth_method: member(
      'client_secret_basic by default; also client_secret_post, private_key_jwt, none, and tls_client_auth and self_signed_tls_client_auth if the metadata lists them.',
    ),
    jwks: member(
      'JWK set of up to 4 public keys, with private_key_jwt (RFC 7523), or of up to 4 certificates in x5c, with self_signed_tls_client_auth (RFC 8705 §2.2).',
    ),
    jwks_uri: member('The https URL of the JWK set instead.'),
    ...names(member('With tls_client_auth, exactly one of these names of the certificate (RFC 8705 §2.1.2).')),
    grant_types: member('authorization_code by default; also refresh_token and the device grant.'),
    response_types: member('code, with authorization_code.'),
    client_name: member('Shown to users; up to 128 characters.'),
    scope: member('Scopes it may request; scopes that are not allowed are left out.'),
    dpop_bound_access_tokens: member('Every token of the client is bound to a key (RFC 9449 §5.2).'),
    tls_client_certificate_bound_access_tokens: member(
      'Every token of the client is bound to a certificate (RFC 8705 §3.4).',
    ),
    require_pushed_authorization_requests: member(
      'The client may only send pushed authorization requests (RFC 9126 §6).',
    ),
    id_token_signed_response_alg: member('Algorithm of its ID tokens; the default of this installation if left out.'),
    access_token_signed_response_alg: member('The same for its access tokens.'),
  }),
  idempotency: 'answer',
  responses: {
    201: z.object({
      client_id: z.string(),
      /** Unix seconds. */
      client_id_issued_at: z.int(),
      client_secret: z.string().optional(),
      /** 0: the secret does not expire. Present only with a secret. */
      client_secret_expires_at: z.literal(0).optional(),
      client_name: z.string(),
      redirect_uris: z.array(z.string()),
      post_logout_redirect_uris: z.array(z.string()),
      backchannel_logout_uri: z.string().optional(),
      backchannel_logout_session_required: z.boolean(),
      token_endpoint_auth_method: z.string(),
      jwks: z.object({ keys: z.array(z.record(z.string(), z.union([z.string(), z.array(z.string())]))) }).optional(),
      jwks_uri: z.string().optional(),
      ...names(z.string().optional()),
      grant_types: z.array(z.string()),
      response_types: z.array(z.string()),
      scope: z.string(),
      dpop_bound_access_tokens: z.boolean(),
      tls_client_certificate_bound_access_tokens: z.boolean(),
      require_pushed_authorization_requests: z.boolean(),
      id_token_signed_response_alg: z.string().optional(),
      access_token_signed_response_alg: z.string().optional(),
    }),
  },
  errors: [
    requestInvalid,
    unauthenticated,
    permissionMissing,
    registrationClosed,
    registrationFull,
    clientMetadataInvalid,
    clientRedirectUriInvalid,
    idempotencyKeyReused,
    storeUnavailable,
  ],
  oauthErrors: true,
});
