import { z } from 'zod';
import { component, componentNames } from '#services/platform/define/component-names.ts';
import { endpointsOf } from '#services/platform/define/endpoint.ts';
import { rightsExceeded } from '../authority/errors.ts';
import { signingAlgorithmRefused } from '../keys/errors.ts';
import { bodyReason, jwks, manages, pageQuery, reads, reason, text } from './admin-shapes.ts';
import { CERTIFICATE_NAME_LENGTH_MAX } from './certificates/certificate-shapes.ts';
import { AUTH_METHODS, CONFIDENTIAL_METHODS } from './client-auth-shapes.ts';
import { clientRecord } from './client-record.ts';
import {
  clientExists,
  clientKeysInvalid,
  clientLogoRefused,
  clientProtected,
  clientSettingsConflict,
  clientUnknown,
  clientWithoutSecret,
  redirectUriRefused,
} from './errors.ts';
import { clientsManage, clientsRead } from './permissions.ts';

const defineEndpoint = endpointsOf('Clients');
const SETTING = [
  rightsExceeded,
  redirectUriRefused,
  clientSettingsConflict,
  clientKeysInvalid,
  clientLogoRefused,
  signingAlgorithmRefused,
] as const;
// The name comes first in each shape.
const { name: newName, ...created } = clientRecord.create;
const { name: changedName, ...changed } = clientRecord.update;
const { name: shownName, ...shown } = clientRecord.view;

const clientId = z
  .string()
  .min(1)
  .max(255)
  .regex(/^[\x21-\x7e]*$/);

/**
 * With `private_key_jwt` (RFC 7523): the keys of the client, or the https URL of its JWK set. With
 * `self_signed_tls_client_auth` (RFC 8705 §2.2.2) `jwks` has the certificates, in `x5c`.
 */
const keys = { jwks: jwks.optional(), jwks_uri: z.string().max(512).optional() };

const certificateName = text(CERTIFICATE_NAME_LENGTH_MAX).optional();
/** RFC 8705 §2.1.2: with `tls_client_auth` exactly one of these. */
const certificateNames = {
  tls_client_auth_subject_dn: certificateName,
  tls_client_auth_san_dns: certificateName,
  tls_client_auth_san_uri: certificateName,
  tls_client_auth_san_ip: certificateName,
  tls_client_auth_san_email: certificateName,
};

const CLIENT_ORIGINS = ['admin', 'registration', 'document'] as const;

const clientShape = component('Client', {
  client_id: z.string(),
  name: shownName,
  auth_method: z.string(),
  ...certificateNames,
  /** SHA-256 of the certificates of a client with `self_signed_tls_client_auth`, base64url. */
  certificate_thumbprints: z.array(z.string()).optional(),
  jwks: z.object({ keys: z.array(z.record(z.string(), z.string())) }).nullable(),
  jwks_uri: z.string().nullable(),
  ...shown,
  disabled: z.boolean(),
  /** Part of the installation: it cannot be changed. */
  built_in: z.boolean(),
  /** How it was created: by an administrator, by registering itself (RFC 7591), or from the document at its id. */
  origin: z.enum(CLIENT_ORIGINS),
  /** Until then the previous secret is accepted. */
  previous_secret_until: z.string().nullable(),
  created_at: z.string().nullable(),
  updated_at: z.string().nullable(),
});
/** Shown only once; null for a client without a secret. */
const withSecret = clientShape
  .extend({ client_secret: z.string().nullable() })
  .register(componentNames, { id: 'ClientWithSecret' });
export type ClientView = z.output<typeof clientShape>;

const byClient = z.strictObject({ client_id: clientId });

export const listClientsEndpoint = defineEndpoint({
  path: '/v1/admin/clients',
  operation: 'listClients',
  summary: 'List OAuth clients, without secrets',
  auth: reads(clientsRead),
  query: z.strictObject({
    ...pageQuery,
    origin: z.enum(CLIENT_ORIGINS).optional(),
    disabled: z.enum(['true', 'false']).optional(),
    name_prefix: text(128).optional(),
  }),
  responses: { 200: z.object({ clients: z.array(clientShape), next: z.string().nullable() }) },
});

export const readClientEndpoint = defineEndpoint({
  path: '/v1/admin/clients/{client_id}',
  operation: 'readClient',
  summary: 'Get an OAuth client, without its secret',
  auth: reads(clientsRead),
  params: byClient,
  responses: { 200: clientShape },
  errors: [clientUnknown],
});

export const createClientEndpoint = defineEndpoint({
  method: 'POST',
  path: '/v1/admin/clients',
  operation: 'createClient',
  summary: 'Register an OAuth client; only this response shows its secret',
  auth: manages(clientsManage),
  body: z.strictObject({
    name: newName,
    client_id: clientId.optional(),
    /** `none` makes a public client; `private_key_jwt`, the default of `fapi2`, requires `jwks` or `jwks_uri`. */
    auth_method: z.enum(AUTH_METHODS).optional(),
    ...keys,
    ...certificateNames,
    ...created,
    reason,
  }),
  idempotency: 'answer',
  responses: { 201: withSecret },
  errors: [...SETTING, clientExists],
});

export const updateClientEndpoint = defineEndpoint({
  method: 'PATCH',
  path: '/v1/admin/clients/{client_id}',
  operation: 'updateClient',
  summary: 'Change a client; removing a scope or grant revokes its tokens and token families',
  auth: manages(clientsManage),
  params: byClient,
  ifMatch: readClientEndpoint,
  idempotency: 'answer',
  body: z.strictObject({
    name: changedName,
    /** Without a secret afterwards, the old one is refused at once; with one, rotate-secret creates it. */
    auth_method: z.enum(CONFIDENTIAL_METHODS).optional(),
    ...keys,
    ...certificateNames,
    ...changed,
    reason,
  }),
  responses: { 200: clientShape },
  errors: [...SETTING, clientUnknown, clientProtected, clientWithoutSecret],
});

export const rotateClientSecretEndpoint = defineEndpoint({
  method: 'POST',
  path: '/v1/admin/clients/{client_id}/rotate-secret',
  operation: 'rotateClientSecret',
  summary:
    'Rotate the secret of a client; the previous one is accepted for a while; without an overlap, tokens and API keys end too',
  auth: manages(clientsManage),
  params: byClient,
  ifMatch: readClientEndpoint,
  /** A day by default. After a leak use 0: the previous secret, and the tokens, token families and API keys made before, end at once. */
  body: bodyReason.extend({ overlap_seconds: z.int().min(0).max(604_800).optional() }),
  responses: { 200: withSecret },
  errors: [rightsExceeded, clientUnknown, clientProtected, clientWithoutSecret],
});

export const disableClientEndpoint = defineEndpoint({
  ...updateClientEndpoint,
  method: 'POST',
  path: '/v1/admin/clients/{client_id}/disable',
  operation: 'disableClient',
  summary: 'Disable a client and revoke its tokens and token families',
  body: bodyReason,
  errors: [rightsExceeded, clientUnknown, clientProtected],
});

export const enableClientEndpoint = defineEndpoint({
  ...disableClientEndpoint,
  path: '/v1/admin/clients/{client_id}/enable',
  operation: 'enableClient',
  summary: 'Enable a client; tokens revoked before stay revoked',
});

export const deleteClientEndpoint = defineEndpoint({
  method: 'DELETE',
  path: '/v1/admin/clients/{client_id}',
  operation: 'deleteClient',
  summary: 'Delete a client and revoke its tokens and token families',
  auth: manages(clientsManage),
  params: byClient,
  ifMatch: readClientEndpoint,
  query: z.strictObject({ reason }),
  responses: { 204: null },
  errors: [rightsExceeded, clientUnknown, clientProtected],
});
