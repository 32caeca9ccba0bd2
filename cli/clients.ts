import { type Command, Option } from 'commander';
import { createAccessDirectory } from '../services/domain/access/access-directory.ts';
import { certificateNamesOf } from '../services/domain/access/certificates/certificate-shapes.ts';
import { AUTH_METHODS, type AuthMethod, CLIENT_PROFILES } from '../services/domain/access/client-auth-shapes.ts';
import { CLIENT_ORIGINS, type ClientView, createClientEndpoint } from '../services/domain/access/clients-contract.ts';
import {
  deleteClient,
  listClients,
  type ManageClientsPorts,
  type RegisterClientInput,
  readClient,
  registerClient,
  rotateClientSecret,
  setClientStatus,
} from '../services/domain/access/manage-clients.ts';
import {
  type ActOptions,
  actAsked,
  addPage,
  addReason,
  type ListOptions,
  listPage,
  noNotices,
  onDatabase,
  pageOf,
} from './admin.ts';
import { checked, wholeNumberOf } from './arguments.ts';
import { type AskedOptions, addAlgorithms, addKeys, askedOf, keysOf, PKCE, ROTATION } from './client-options.ts';
import { registerClientUpdate } from './clients-update.ts';
import { type DatabasePorts, systemCaller } from './database-ports.ts';
import type { GlobalOptions } from './output.ts';

const caller = systemCaller('sallyport clients');

type CreateOptions = AskedOptions & {
  readonly id?: string;
  readonly authMethod?: AuthMethod;
  readonly grants?: string[];
  readonly scopes: string[];
  readonly credentialScopes: string[];
  readonly redirectUris: string[];
  readonly audiences: string[];
};

const line = (client: ClientView): string =>
  [
    client.client_id,
    (client.disabled ? 'disabled' : 'enabled').padEnd(8),
    client.auth_method,
    client.grant_types.join(',') || 'no grants',
    ...(client.origin === 'admin' ? [] : [`(${client.origin})`]),
    client.name,
  ].join('  ');
const withSecret = (client: ClientView & { client_secret: string | null }): string[] => [
  line(client),
  ...(client.client_secret === null ? [] : [`secret  ${client.client_secret}  (shown only once)`]),
];

/** An application with an address that gets codes is for users; any other acts for itself. */
const defaultGrants = ({ redirectUris }: CreateOptions): string[] =>
  redirectUris.length > 0 ? ['authorization_code'] : ['client_credentials'];

/** Validated by the schema of the corresponding endpoint. */
function registrationOf(name: string, options: CreateOptions): RegisterClientInput {
  const body = checked(createClientEndpoint, {
    name,
    client_id: options.id,
    auth_method: options.authMethod,
    ...keysOf(options),
    ...askedOf({ ...options, grants: options.grants ?? defaultGrants(options) }),
  });
  return {
    name: body.name,
    ...(body.client_id === undefined ? {} : { clientId: body.client_id }),
    ...(options.authMethod === undefined ? {} : { authMethod: options.authMethod }),
    ...certificateNamesOf(body),
    jwks: body.jwks,
    jwksUri: body.jwks_uri,
    grantTypes: body.grant_types,
    scopes: body.scopes ?? [],
    credentialScopes: body.credential_scopes ?? [],
    redirectUris: body.redirect_uris ?? [],
    postLogoutRedirectUris: body.post_logout_redirect_uris ?? [],
    backchannelLogoutUri: body.backchannel_logout_uri ?? null,
    backchannelLogoutSessionRequired: body.backchannel_logout_session_required ?? false,
    audiences: body.audiences ?? [],
    dpopBound: body.dpop_bound_access_tokens,
    certificateBound: body.tls_client_certificate_bound_access_tokens,
    pushesRequests: body.require_pushed_authorization_requests,
    requiresPkce: body.pkce === undefined ? undefined : body.pkce === 'required',
    rotatesRefreshTokens: body.refresh_rotation === undefined ? undefined : body.refresh_rotation === 'on',
    profile: body.profile,
    idTokenAlgorithm: body.id_token_signed_response_alg,
    accessTokenAlgorithm: body.access_token_signed_response_alg,
    logo: body.logo,
    reason: body.reason,
  };
}

async function toolsOf(ports: DatabasePorts): Promise<ManageClientsPorts> {
  const access = createAccessDirectory(ports);
  await access.load();
  return { ...ports, ...noNotices, access };
}

type Filters = ListOptions & {
  readonly origin?: (typeof CLIENT_ORIGINS)[number];
  readonly disabled?: boolean;
  readonly namePrefix?: string;
};

/** Lines that show a client and everything it may do. */
const lines = (client: ClientView): string[] => [
  line(client),
  `scopes ${client.scopes.join(' ') || 'none'}  client credentials ${client.credential_scopes.join(' ') || 'none'}`,
  `audiences ${client.audiences.join(' ') || 'the installation only'}`,
  ...(client.jwks === null
    ? []
    : [`keys ${client.jwks.keys.map(({ kid, kty }) => kid ?? `${kty} without kid`).join(', ')}`]),
  ...(client.jwks_uri === null ? [] : [`keys from ${client.jwks_uri}`]),
  ...Object.entries(certificateNamesOf(client)).map(([name, value]) => `${name} ${value}`),
  ...(client.certificate_thumbprints ?? []).map((thumbprint) => `certificate ${thumbprint}`),
  ...client.redirect_uris.map((uri) => `redirects to ${uri}`),
  ...client.post_logout_redirect_uris.map((uri) => `after sign-out to ${uri}`),
  ...(client.backchannel_logout_uri === null ? [] : [`logout tokens to ${client.backchannel_logout_uri}`]),
  ...(client.has_logo ? ['has a logo'] : []),
  `ID tokens ${client.id_token_signed_response_alg ?? BY_DEFAULT}  access tokens ${client.access_token_signed_response_alg ?? BY_DEFAULT}`,
  `DPoP-bound ${yes(client.dpop_bound_access_tokens)}  certificate-bound ${yes(client.tls_client_certificate_bound_access_tokens)}  pushes requests ${yes(client.require_pushed_authorization_requests)}  PKCE ${client.pkce}  refresh rotation ${client.refresh_rotation}  profile ${client.profile}`,
];
const BY_DEFAULT = 'with the default algorithm';
const yes = (is: boolean): string => (is ? 'yes' : 'no');

/** `sallyport clients list|show|create|update|rotate-secret|disable|enable|delete`, directly on the database. */
export function registerClients(program: Command): void {
  const clients = program.command('clients');
  addPage(clients.command('list'))
    .description('list clients by id, without secrets')
    .addOption(new Option('--origin <origin>', 'only clients of this origin').choices(CLIENT_ORIGINS))
    .option('--disabled', 'only disabled clients')
    .option('--name-prefix <text>', 'only names with this prefix')
    .action((_own, command: Command) =>
      onDatabase<Filters>(command, async (ports, output, options) => {
        const { origin, namePrefix } = options;
        const isDisabled = options.disabled ? true : undefined;
        const found = await listClients(ports, { origin, namePrefix, isDisabled, ...pageOf(options) });
        listPage(output, 'clients', found, line);
      }),
    );
  clients
    .command('show')
    .description('show a client and what it may do, without its secret')
    .argument('<client_id>')
    .action((clientId: string, _own, command: Command) =>
      onDatabase<GlobalOptions>(command, async (ports, output) => {
        output.data(await readClient(ports, clientId), lines);
      }),
    );
  addAlgorithms(addKeys(addReason(clients.command('create'))))
    .description('register a client; its secret is shown only once')
    .argument('<name>')
    .option('--id <client_id>', 'client id; generated by default')
    .addOption(new Option('--auth-method <method>', 'client_secret_basic by default').choices(AUTH_METHODS))
    .option(
      '--grants <types...>',
      'grant types; by default authorization_code with --redirect-uris, else client_credentials',
    )
    .option('--scopes <scopes...>', 'scopes it may request for users', [])
    .option('--credential-scopes <scopes...>', 'scopes of its client credentials tokens', [])
    .option('--redirect-uris <uris...>', 'allowed redirect URIs', [])
    .option('--post-logout-redirect-uris <uris...>', 'allowed redirect URIs after sign-out')
    .option('--backchannel-logout-uri <uri>', 'where logout tokens are sent when a session ends')
    .option('--backchannel-logout-session-required', 'the client needs the session id in logout tokens')
    .option('--audiences <audiences...>', 'audiences that its tokens may have besides this installation', [])
    .option('--logo <file>', 'PNG shown beside its name: at most 24 KB and 512 × 512 pixels')
    .option('--dpop-bound', 'require DPoP-bound tokens (RFC 9449)')
    .option('--certificate-bound', 'require certificate-bound tokens (RFC 8705)')
    .option('--pushes-requests', 'require pushed authorization requests (RFC 9126)')
    .addOption(new Option('--profile <profile>', 'fapi2: all that FAPI 2.0 requires').choices(CLIENT_PROFILES))
    .addOption(new Option('--pkce <setting>', 'optional: a confidential client may do without PKCE').choices(PKCE))
    .addOption(
      new Option('--refresh-rotation <setting>', 'off: a bound confidential client keeps its refresh token').choices(
        ROTATION,
      ),
    )
    .action((name: string, _own, command: Command) =>
      onDatabase<CreateOptions>(command, async (ports, output, options) => {
        const input = registrationOf(name, options);
        const tools = await toolsOf(ports);
        const act = () => registerClient(tools, input, caller);
        await actAsked(output, options, `register the client ${name}`, act, withSecret);
      }),
    );
  registerClientUpdate(clients, toolsOf, caller, lines);
  addReason(clients.command('rotate-secret'))
    .description('give a client a new secret; the old one stays valid for the overlap')
    .argument('<client_id>')
    .option('--overlap <seconds>', 'how long the old secret stays valid; 0 after a leak', '86400')
    .action((clientId: string, _own, command: Command) =>
      onDatabase<ActOptions & { readonly overlap: string }>(command, async (ports, output, options) => {
        const overlapSeconds = wholeNumberOf('--overlap', options.overlap, 0, 604_800);
        const { name } = await readClient(ports, clientId);
        const tools = await toolsOf(ports);
        const act = () => rotateClientSecret(tools, { clientId, reason: options.reason, overlapSeconds }, caller);
        await actAsked(output, options, `replace the secret of ${name}`, act, withSecret);
      }),
    );
  for (const [verb, isDisabled, description] of [
    ['disable', true, 'disable a client, and revoke its tokens and token families'],
    ['enable', false, 'enable a client again; revoked tokens stay revoked'],
  ] as const)
    addReason(clients.command(verb))
      .description(description)
      .argument('<client_id>')
      .action((clientId: string, _own, command: Command) =>
        onDatabase<ActOptions>(command, async (ports, output, options) => {
          const { name } = await readClient(ports, clientId);
          const tools = await toolsOf(ports);
          const act = () => setClientStatus(tools, { clientId, isDisabled, reason: options.reason }, caller);
          await actAsked(output, options, `${verb} ${name}`, act, (client) => [line(client)]);
        }),
      );
  addReason(clients.command('delete'))
    .description('delete a client, and revoke its tokens and token families')
    .argument('<client_id>')
    .action((clientId: string, _own, command: Command) =>
      onDatabase<ActOptions>(command, async (ports, output, options) => {
        const { name } = await readClient(ports, clientId);
        const tools = await toolsOf(ports);
        const act = async () => {
          await deleteClient(tools, { clientId, reason: options.reason }, caller);
          return { deleted: clientId };
        };
        await actAsked(output, options, `delete ${name}`, act, ({ deleted }) => [`${deleted}  deleted`]);
      }),
    );
}
