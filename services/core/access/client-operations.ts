import type { CommandOptions } from '#services/platform/define/command-option.ts';
import { operation } from '../shared/operation.ts';
import { CERTIFICATE_NAMES, certificateNamesOf } from './certificates/certificate-shapes.ts';
import {
  type ClientView,
  createClientEndpoint,
  deleteClientEndpoint,
  disableClientEndpoint,
  enableClientEndpoint,
  listClientsEndpoint,
  readClientEndpoint,
  rotateClientSecretEndpoint,
  updateClientEndpoint,
} from './clients-contract.ts';
import {
  type ClientWithSecret,
  deleteClient,
  disableClient,
  enableClient,
  listClients,
  readClient,
  registerClient,
  rotateClientSecret,
  updateClient,
} from './manage-clients.ts';

/** Keys, certificates or the name of a certificate, by which a client is recognised. */
const KEYS = {
  jwks: {
    flags: '--jwks <file>',
    help: 'JWK set with the public keys of a private_key_jwt client (RFC 7523)',
    reads: 'jwks-file',
  },
  jwks_uri: { flags: '--jwks-uri <url>', help: 'https URL of its JWK set' },
  certificates: {
    flags: '--certificates <file>',
    help: 'PEM file with the certificates of a self_signed_tls_client_auth client (RFC 8705)',
    reads: 'certificates-file',
  },
  certificate_name: {
    flags: '--certificate-name <kind=value>',
    help: `name of a tls_client_auth client: ${CERTIFICATE_NAMES.join(', ')}`,
    reads: 'certificate-name',
  },
} as const satisfies CommandOptions;

const GRANTS = 'grant types; by default authorization_code with --redirect-uris, else client_credentials';

const BY_DEFAULT = 'with the default algorithm';
const yes = (is: boolean): string => (is ? 'yes' : 'no');

const line = (client: ClientView): string =>
  [
    client.client_id,
    (client.disabled ? 'disabled' : 'enabled').padEnd(8),
    client.auth_method,
    client.grant_types.join(',') || 'no grants',
    ...(client.origin === 'admin' ? [] : [`(${client.origin})`]),
    client.name,
  ].join('  ');

const withSecret = (client: ClientWithSecret): string[] => [
  line(client),
  ...(client.client_secret === null ? [] : [`secret  ${client.client_secret}  (shown only once)`]),
];

const lines = (client: ClientView): string[] => [
  line(client),
  `scopes ${client.scopes.join(' ') || 'none'}  client credentials ${client.credential_scopes.join(' ') || 'none'}`,
  `audiences ${client.audiences.join(' ') || 'the installation only'}`,
  ...(client.jwks === null
    ? []
    : [`keys ${client.jwks.keys.map(({ kid, kty }) => kid ?? `${kty} without kid`).join(', ')}`]),
  ...(client.jwks_uri === null ? [] : [`keys from ${client.jwks_uri}`]),
  ...(client.workload === null ? [] : [`tokens of ${client.workload.issuer} for ${client.workload.subject}`]),
  ...(client.identity_assertions?.accepts ?? []).map(({ issuer, provider }) => `users of ${issuer} (${provider})`),
  ...(client.identity_assertions?.issues ?? []).map(({ issuer, client_id: id }) => `assertions for ${issuer} as ${id}`),
  ...Object.entries(certificateNamesOf(client)).map(([name, value]) => `${name} ${value}`),
  ...(client.certificate_thumbprints ?? []).map((thumbprint) => `certificate ${thumbprint}`),
  ...client.redirect_uris.map((uri) => `redirects to ${uri}`),
  ...client.post_logout_redirect_uris.map((uri) => `after sign-out to ${uri}`),
  ...(client.backchannel_logout_uri === null ? [] : [`logout tokens to ${client.backchannel_logout_uri}`]),
  ...(client.backchannel_client_notification_endpoint === null
    ? []
    : [`pings to ${client.backchannel_client_notification_endpoint}`]),
  ...(client.has_logo ? ['has a logo'] : []),
  `ID tokens ${client.id_token_signed_response_alg ?? BY_DEFAULT}  access tokens ${client.access_token_signed_response_alg ?? BY_DEFAULT}${client.id_token_claims.length === 0 ? '' : `  ID tokens say ${client.id_token_claims.join(', ')}`}`,
  `DPoP-bound ${yes(client.dpop_bound_access_tokens)}  certificate-bound ${yes(client.tls_client_certificate_bound_access_tokens)}  pushes requests ${yes(client.require_pushed_authorization_requests)}  PKCE ${client.pkce}  refresh rotation ${client.refresh_rotation}  refresh copies ${client.refresh_copies} s  profile ${client.profile}`,
];

type Named = { readonly name: string };

export const clientOperations = [
  operation(listClientsEndpoint, listClients, {
    verb: 'clients list',
    help: 'list clients by id, without secrets',
    options: {
      origin: { flags: '--origin <origin>', help: 'only clients of this origin' },
      disabled: { flags: '--disabled', help: 'only disabled clients', value: 'true' },
      name_prefix: 'only names with this prefix',
    },
    line,
  }),
  operation(readClientEndpoint, readClient, {
    verb: 'clients show <client_id>',
    help: 'show a client and what it may do, without its secret',
    lines,
  }),
  operation(createClientEndpoint, registerClient, {
    verb: 'clients create <name>',
    help: 'register a client; its secret is shown only once',
    options: {
      ...KEYS,
      client_id: { flags: '--id <client_id>', help: 'client id; generated by default' },
      auth_method: { flags: '--auth-method <method>', help: 'client_secret_basic by default' },
      grant_types: {
        flags: '--grants <types...>',
        help: GRANTS,
        default: ({ redirect_uris: uris }) => (uris === undefined ? ['client_credentials'] : ['authorization_code']),
      },
    },
    asks: ({ name }) => `register the client ${name}`,
    lines: withSecret,
  }),
  operation(updateClientEndpoint, updateClient, {
    verb: 'clients update <client_id>',
    help: 'change a client; removing rights revokes its tokens and token families',
    options: { ...KEYS, auth_method: { flags: '--auth-method <method>', help: 'how it authenticates' } },
    about: readClient,
    asks: (_input, { name }: Named) => `change ${name}`,
    lines,
  }),
  operation(rotateClientSecretEndpoint, rotateClientSecret, {
    verb: 'clients rotate-secret <client_id>',
    help: 'give a client a new secret; the old one stays valid for the overlap',
    options: {
      overlap_seconds: {
        flags: '--overlap <seconds>',
        help: 'how long the old secret stays valid; 0 after a leak also ends tokens and API keys of the client',
        default: '86400',
      },
    },
    about: readClient,
    asks: ({ overlap_seconds: overlap }, { name }: Named) =>
      `replace the secret of ${name}: the tokens and API keys that it made ${overlap === 0 ? 'end at once' : 'stay valid, and --overlap 0 ends them'}`,
    lines: withSecret,
  }),
  operation(disableClientEndpoint, disableClient, {
    verb: 'clients disable <client_id>',
    help: 'disable a client, and revoke its tokens and token families',
    about: readClient,
    asks: (_input, { name }: Named) => `disable ${name}`,
    lines: (client) => [line(client)],
  }),
  operation(enableClientEndpoint, enableClient, {
    verb: 'clients enable <client_id>',
    help: 'enable a client again; revoked tokens stay revoked',
    about: readClient,
    asks: (_input, { name }: Named) => `enable ${name}`,
    lines: (client) => [line(client)],
  }),
  operation(deleteClientEndpoint, deleteClient, {
    verb: 'clients delete <client_id>',
    help: 'delete a client, and revoke its tokens and token families',
    about: readClient,
    asks: (_input, { name }: Named) => `delete ${name}`,
  }),
];
