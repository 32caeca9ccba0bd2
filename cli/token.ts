import { text } from 'node:stream/consumers';
import { type Command, Option } from 'commander';
import { decodeJwt, decodeProtectedHeader } from 'jose';
import { rehearsed } from './admin.ts';
import { callApi, clientAuthorization, findApi } from './api-client.ts';
import { CommandError, exitCodes } from './exit-codes.ts';
import { createOutput, type GlobalOptions } from './output.ts';

type TokenOptions = GlobalOptions & {
  readonly api?: string;
  readonly user?: string;
  readonly scope?: string;
  readonly audience?: string;
  readonly requiredScope?: string;
  readonly reason?: string;
};

const optionsOf = (command: Command): TokenOptions => command.optsWithGlobals<TokenOptions>();

/** Reads a token from standard input, never from an argument: process lists and shell histories show arguments. */
async function tokenFrom(argument: string): Promise<string> {
  if (argument !== '-')
    throw new CommandError(exitCodes.usage, 'a token is read from standard input', 'pass `-` and pipe the token in');
  const token = (await text(process.stdin)).trim();
  if (token === '') throw new CommandError(exitCodes.usage, 'standard input holds no token', 'pipe the token in');
  return token;
}

async function issue(command: Command): Promise<void> {
  const options = optionsOf(command);
  const what = options.user === undefined ? 'issue an access token' : `issue a pair for ${options.user}`;
  if (rehearsed(createOutput(options), options, what)) return;
  const api = findApi(options.api);
  const authorization = clientAuthorization();
  const scope: Record<string, string> = options.scope === undefined ? {} : { scope: options.scope };
  const audience: Record<string, string> = options.audience === undefined ? {} : { audience: options.audience };
  const { body } = options.user
    ? await callApi(api, '/v1/tokens', { json: { user_id: options.user, ...scope, ...audience }, authorization })
    : await callApi(api, '/oauth2/token', {
        form: {
          grant_type: 'client_credentials',
          ...scope,
          ...(options.audience ? { resource: options.audience } : {}),
        },
        authorization,
      });
  createOutput(options).data(body, () => [String(body.access_token)]);
}

async function inspect(command: Command, argument: string): Promise<void> {
  const token = await tokenFrom(argument);
  let view: { header: unknown; claims: unknown };
  try {
    view = { header: decodeProtectedHeader(token), claims: decodeJwt(token) };
  } catch {
    throw new CommandError(exitCodes.checkFailed, 'this is not a JWT; a refresh token has no readable content');
  }
  const output = createOutput(optionsOf(command));
  output.say('the token is not verified; to verify it: sallyport token validate -');
  output.data(view, () => [JSON.stringify(view, null, 2)]);
}

async function validate(command: Command, argument: string): Promise<void> {
  const options = optionsOf(command);
  const { body } = await callApi(findApi(options.api), '/v1/tokens/validate', {
    json: {
      token: await tokenFrom(argument),
      ...(options.audience ? { audience: options.audience } : {}),
      ...(options.requiredScope ? { required_scope: options.requiredScope } : {}),
    },
  });
  createOutput(options).data(body, () =>
    body.active ? ['active', JSON.stringify(body.claims, null, 2)] : [`inactive: ${body.reason}`],
  );
  if (!body.active) process.exitCode = exitCodes.checkFailed;
}

async function revoke(command: Command, argument: string): Promise<void> {
  const options = optionsOf(command);
  const token = await tokenFrom(argument);
  const dryRun = options.dryRun ? { dry_run: true } : {};
  const { body } = await callApi(findApi(options.api), '/v1/tokens/revoke', {
    json: { token, reason: options.reason ?? 'revoked by hand', ...dryRun },
    authorization: clientAuthorization(),
  });
  if (rehearsed(createOutput(options), options, 'revoke this token')) return;
  createOutput(options).data(body, () => [`revoked at epoch ${body.epoch}`]);
}

const CREDENTIALS_HELP =
  '\nAuthenticates as CLIENT_ID with CLIENT_SECRET from the environment, else as the demo client.';

/** `sallyport token issue|inspect|validate|revoke`, over HTTP as the client CLIENT_ID or the demo client. */
export function registerToken(program: Command): void {
  const token = program.command('token');
  const api = (): Option => new Option('--api <url>', 'URL of the API; default: the local one').env('SALLYPORT_API');
  token
    .command('issue')
    .description('issue an access token for the client, or a token pair for a user')
    .addOption(api())
    .option('--user <id>', 'issue a token pair for this user (needs the permission tokens:issue)')
    .option('--scope <scopes>', 'scopes, separated by spaces')
    .option('--audience <uri>', 'audience of the token')
    .addHelpText('after', CREDENTIALS_HELP)
    .action((_own, command: Command) => issue(command));
  token
    .command('inspect')
    .description('show header and claims without verification')
    .argument('<token>', 'the token, or `-` to read it from standard input')
    .action((argument: string, _own, command: Command) => inspect(command, argument));
  token
    .command('validate')
    .description('validate a token; if it is inactive, show why and exit with code 1')
    .argument('<token>', 'the token, or `-` to read it from standard input')
    .addOption(api())
    .option('--audience <uri>', 'expected audience')
    .option('--required-scope <scopes>', 'scopes the token must have, separated by spaces')
    .action((argument: string, _own, command: Command) => validate(command, argument));
  token
    .command('revoke')
    .description('revoke an access token, or the family of a refresh token')
    .argument('<token>', 'the token, or `-` to read it from standard input')
    .addOption(api())
    .option('--reason <text>', 'reason, for the audit log')
    .addHelpText('after', CREDENTIALS_HELP)
    .action((argument: string, _own, command: Command) => revoke(command, argument));
}
