import type { Command } from 'commander';
import { type ClientView, updateClientEndpoint } from '../services/domain/access/contract.ts';
import { type ManageClientsPorts, readClient, updateClient } from '../services/domain/access/manage-clients.ts';
import type { Caller } from '../services/domain/ports.ts';
import { actAsked, addReason, onDatabase } from './admin.ts';
import { checked } from './arguments.ts';
import { type AskedOptions, askedOf } from './client-options.ts';
import type { DatabasePorts } from './database-ports.ts';
import { CommandError, exitCodes } from './exit-codes.ts';

type UpdateOptions = AskedOptions & { readonly name?: string };

/** Judged by the schema of the endpoint that does the same. */
function changesOf(options: UpdateOptions) {
  const body = checked(updateClientEndpoint, {
    name: options.name,
    ...askedOf(options),
  });
  const changes = {
    name: body.name,
    grantTypes: body.grant_types,
    scopes: body.scopes,
    credentialScopes: body.credential_scopes,
    redirectUris: body.redirect_uris,
    postLogoutRedirectUris: body.post_logout_redirect_uris,
    audiences: body.audiences,
    dpopBound: body.dpop_bound_access_tokens,
    certificateBound: body.tls_client_certificate_bound_access_tokens,
    pushesRequests: body.require_pushed_authorization_requests,
  };
  if (Object.values(changes).every((value) => value === undefined))
    throw new CommandError(exitCodes.usage, 'nothing is to be changed', 'add --help for the options');
  return changes;
}

/** `sallyport clients update`: a list that is given takes the place of the one before. */
export function registerClientUpdate(
  clients: Command,
  toolsOf: (ports: DatabasePorts) => Promise<ManageClientsPorts>,
  caller: Caller,
  lines: (client: ClientView) => string[],
): void {
  addReason(clients.command('update'))
    .description('change a client; what is taken away ends its tokens and the logins through it')
    .argument('<client_id>')
    .option('--name <text>', 'as people see it')
    .option('--grants <types...>', 'grant types')
    .option('--scopes <scopes...>', 'what a login through it may ask for')
    .option('--credential-scopes <scopes...>', 'what its own tokens may carry')
    .option('--redirect-uris <uris...>', 'where it may send people back to')
    .option('--post-logout-redirect-uris <uris...>', 'where it may send people back to once they have signed out')
    .option('--audiences <audiences...>', 'whom its tokens may be for beside the installation')
    .option('--dpop-bound', 'every token of it is bound to a key (RFC 9449)')
    .option('--no-dpop-bound', 'none has to be')
    .option('--certificate-bound', 'every token of it is bound to a certificate (RFC 8705)')
    .option('--no-certificate-bound', 'none has to be')
    .option('--pushes-requests', 'its authorization requests come pushed, or not at all (RFC 9126)')
    .option('--no-pushes-requests', 'they need not')
    .action((clientId: string, _own, command: Command) =>
      onDatabase<UpdateOptions>(command, async (ports, output, options) => {
        const changes = changesOf(options);
        const { name } = await readClient(ports, clientId);
        const tools = await toolsOf(ports);
        const act = () => updateClient(tools, { clientId, changes, reason: options.reason }, caller);
        await actAsked(output, options, `change ${name}`, act, lines);
      }),
    );
}
