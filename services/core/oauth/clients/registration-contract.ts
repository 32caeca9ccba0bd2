import { z } from 'zod';
import { CERTIFICATE_NAME_MEMBERS } from '#services/core/access/certificates/certificate-shapes.ts';
import { clientRecord } from '#services/core/access/client-record.ts';
import { defineEndpoint } from '#services/platform/define/endpoint.ts';
import { storeUnavailable } from '#services/platform/errors.ts';
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

/** The members of logout have their place beside the addresses; the others come last. */
const split = <A, B, R extends object>({
  backchannel_logout_uri,
  backchannel_logout_session_required,
  ...others
}: R & { readonly backchannel_logout_uri: A; readonly backchannel_logout_session_required: B }) =>
  [{ backchannel_logout_uri, backchannel_logout_session_required }, others] as const;
const [logoutDocuments, documents] = split(clientRecord.registers.documents);
const [logoutAnswers, answers] = split(clientRecord.registers.answers);

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
    ...logoutDocuments,
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
    ...documents,
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
      ...logoutAnswers,
      token_endpoint_auth_method: z.string(),
      jwks: z.object({ keys: z.array(z.record(z.string(), z.union([z.string(), z.array(z.string())]))) }).optional(),
      jwks_uri: z.string().optional(),
      ...names(z.string().optional()),
      grant_types: z.array(z.string()),
      response_types: z.array(z.string()),
      scope: z.string(),
      ...answers,
    }),
  },
  errors: [registrationClosed, registrationFull, clientMetadataInvalid, clientRedirectUriInvalid, storeUnavailable],
  oauthErrors: true,
});
