import { type Command, Option } from 'commander';
import { certificateNamesOf } from '../services/domain/access/certificates/certificate-shapes.ts';
import {
  CLIENT_PROFILES,
  CONFIDENTIAL_METHODS,
  type ConfidentialMethod,
} from '../services/domain/access/client-auth-shapes.ts';
import { type ClientView, updateClientEndpoint } from '../services/domain/access/clients-contract.ts';
import { type ManageClientsPorts, readClient, updateClient } from '../services/domain/access/manage-clients.ts';
import type { Caller } from '../services/domain/ports.ts';
import { actAsked, addReason, onDatabase } from './admin.ts';
import { checked } from './arguments.ts';
import { type AskedOptions, addAlgorithms, addKeys, askedOf, keysOf, PKCE, ROTATION } from './client-options.ts';
import type { DatabasePorts } from './database-ports.ts';
import { CommandError, exitCodes } from './exit-codes.ts';

type UpdateOptions = AskedOptions & { readonly name?: string; readonly authMethod?: ConfidentialMethod };

/** Validated by the schema of the corresponding endpoint. */
function changesOf(options: UpdateOptions) {
  const body = checked(updateClientEndpoint, {
    name: options.name,
    auth_method: options.authMethod,
    ...keysOf(options),
    ...askedOf(options),
  });
  const changes = {
    name: body.name,
    grantTypes: body.grant_types,
    scopes: body.scopes,
    credentialScopes: body.credential_scopes,
    redirectUris: body.redirect_uris,
    postLogoutRedirectUris: body.post_logout_redirect_uris,
    backchannelLogoutUri: body.backchannel_logout_uri,
    backchannelLogoutSessionRequired: body.backchannel_logout_session_required,
    audiences: body.audiences,
    dpopBound: body.dpop_bound_access_tokens,
    certificateBound: body.tls_client_certificate_bound_access_tokens,
    pushesRequests: body.require_pushed_authorization_requests,
    requiresPkce: body.pkce === undefined ? undefined : body.pkce === 'required',
    rotatesRefreshTokens: body.refresh_rotation === undefined ? undefined : body.refresh_rotation === 'on',
    profile: body.profile,
    idTokenAlgorithm: body.id_token_signed_response_alg,
    accessTokenAlgorithm: body.access_token_signed_response_alg,
    logo: body.logo,
  };
  const { auth_method: authMethod, jwks, jwks_uri: jwksUri } = body;
  const authentication = { authMethod, jwks, jwksUri, ...certificateNamesOf(body) };
  if (Object.values({ ...changes, ...authentication }).every((value) => value === undefined))
    throw new CommandError(exitCodes.usage, 'no change given', 'add --help for the options');
  return { changes, authentication };
}

/** `sallyport clients update`: a given list replaces the previous one. */
export function registerClientUpdate(
  clients: Command,
  toolsOf: (ports: DatabasePorts) => Promise<ManageClientsPorts>,
  caller: Caller,
  lines: (client: ClientView) => string[],
): void {
  addAlgorithms(addKeys(addReason(clients.command('update'))))
    .description('change a client; removing rights revokes its tokens and token families')
    .argument('<client_id>')
    .option('--name <text>', 'name shown to users')
    .addOption(new Option('--auth-method <method>', 'how it authenticates').choices(CONFIDENTIAL_METHODS))
    .option('--grants <types...>', 'grant types')
    .option('--scopes <scopes...>', 'scopes it may request for users')
    .option('--credential-scopes <scopes...>', 'scopes of its client credentials tokens')
    .option('--redirect-uris <uris...>', 'allowed redirect URIs')
    .option('--post-logout-redirect-uris <uris...>', 'allowed redirect URIs after sign-out')
    .option('--backchannel-logout-uri <uri>', 'where logout tokens are sent when a session ends')
    .option('--no-backchannel-logout-uri', 'send no logout tokens')
    .option('--backchannel-logout-session-required', 'the client needs the session id in logout tokens')
    .option('--no-backchannel-logout-session-required', 'the client does not need the session id in logout tokens')
    .option('--audiences <audiences...>', 'audiences that its tokens may have besides this installation')
    .option('--logo <file>', 'PNG shown beside its name: at most 24 KB and 512 × 512 pixels')
    .option('--no-logo', 'show no logo')
    .option('--dpop-bound', 'require DPoP-bound tokens (RFC 9449)')
    .option('--no-dpop-bound', 'do not require DPoP-bound tokens')
    .option('--certificate-bound', 'require certificate-bound tokens (RFC 8705)')
    .option('--no-certificate-bound', 'do not require certificate-bound tokens')
    .option('--pushes-requests', 'require pushed authorization requests (RFC 9126)')
    .option('--no-pushes-requests', 'do not require pushed authorization requests')
    .addOption(new Option('--profile <profile>', 'fapi2: all that FAPI 2.0 requires').choices(CLIENT_PROFILES))
    .addOption(new Option('--pkce <setting>', 'optional: a confidential client may do without PKCE').choices(PKCE))
    .addOption(
      new Option('--refresh-rotation <setting>', 'off: a bound confidential client keeps its refresh token').choices(
        ROTATION,
      ),
    )
    .action((clientId: string, _own, command: Command) =>
      onDatabase<UpdateOptions>(command, async (ports, output, options) => {
        const asked = changesOf(options);
        const { name } = await readClient(ports, clientId);
        const tools = await toolsOf(ports);
        const act = () => updateClient(tools, { clientId, ...asked, reason: options.reason }, caller);
        await actAsked(output, options, `change ${name}`, act, lines);
      }),
    );
}
