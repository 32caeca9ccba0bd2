import type { Command } from 'commander';
import { type ApiKeyView, createApiKeyEndpoint } from '../services/domain/api-keys/contract.ts';
import { type ApiKeyWithSecret, createApiKeyFor } from '../services/domain/api-keys/create-api-key.ts';
import { listAllApiKeys } from '../services/domain/api-keys/list-api-keys.ts';
import { revokeAnyApiKey } from '../services/domain/api-keys/revoke-api-key.ts';
import { rotateAnyApiKey } from '../services/domain/api-keys/rotate-api-key.ts';
import type { Caller } from '../services/domain/ports.ts';
import {
  type ActOptions,
  actAsked,
  addPage,
  addReason,
  type ListOptions,
  listPage,
  onDatabase,
  pageOf,
  rehearsed,
  type Verb,
} from './admin.ts';
import { checked, requireReason, uuidOf, wholeNumberOf } from './arguments.ts';
import { systemCaller } from './database-ports.ts';
import { CommandError, exitCodes } from './exit-codes.ts';
import type { Output } from './output.ts';

const caller = systemCaller('sallyport api-keys') as Caller & { readonly kind: 'system' };
// Running copies see the change at their next poll, within a quarter of a second.
const apiKeysChanged = (): void => {};

const LISTING = 'sallyport api-keys list';
const YEAR_DAYS = 366;

/** `sallyport api-keys list|create|rotate|revoke`, directly on the database. */
export function registerApiKeys(program: Command): void {
  const keys = program.command('api-keys');
  addPage(keys.command('list'))
    .description('list keys, of all owners or of one, newest first')
    .option('--user <id>', 'only keys of this user')
    .option('--client <id>', 'only keys of this client')
    .action((_own, command: Command) => onDatabase(command, list));
  addReason(keys.command('create'))
    .description('create a key for a user or a client; its secret is printed only once')
    .requiredOption('--name <text>', 'purpose of the key')
    .option('--user <id>', 'user the key acts for')
    .option('--client <id>', 'client the key acts for')
    .option('--permission <name...>', 'permissions, at most those of its owner')
    .option('--days <n>', 'lifetime in days', '90')
    .option('--per-minute <n>', 'requests a minute', '600')
    .action((_own, command: Command) => onDatabase(command, create));
  addReason(keys.command('rotate'))
    .description('give a key a new secret; it is printed only once')
    .argument('<id>', 'id of the key, as `api-keys list` shows it')
    .option('--overlap <seconds>', 'how long the old secret stays valid', '86400')
    .action((id: string, _own, command: Command) => onDatabase(command, rotate(uuidOf(id, LISTING))));
  addReason(keys.command('revoke'))
    .description('revoke a key immediately')
    .argument('<id>', 'id of the key, as `api-keys list` shows it')
    .action((id: string, _own, command: Command) => onDatabase(command, revoke(uuidOf(id, LISTING))));
}

type OwnerOptions = { readonly user?: string; readonly client?: string };

const list: Verb<ListOptions & OwnerOptions> = async (ports, output, options) => {
  const { user: user_id, client: client_id } = options;
  listPage(output, 'api_keys', await listAllApiKeys(ports, { ...pageOf(options), user_id, client_id }), line);
};

type CreateOptions = ActOptions &
  OwnerOptions & {
    readonly name: string;
    readonly permission?: readonly string[];
    readonly days: string;
    readonly perMinute: string;
  };

const create: Verb<CreateOptions> = async (ports, output, options) => {
  const { user, client, name, permission, days, perMinute, reason } = options;
  requireReason(reason);
  const id = user ?? client;
  if (id === undefined || (user !== undefined && client !== undefined))
    throw new CommandError(exitCodes.usage, 'a key needs exactly one owner', 'give --user or --client');
  const owner = { kind: user === undefined ? 'client' : 'user', id } as const;
  const { permissions = [] } = checked(createApiKeyEndpoint, { name, permissions: permission ?? [] });
  const input = {
    owner,
    name,
    permissions,
    expires_in_seconds: wholeNumberOf('--days', days, 1, YEAR_DAYS) * 86_400,
    requests_per_minute: wholeNumberOf('--per-minute', perMinute, 1, 60_000),
    reason,
  };
  if (rehearsed(output, options, `create a key for ${owner.kind} ${id}`)) return;
  show(output, await createApiKeyFor({ ...ports, apiKeysChanged }, input, caller));
};

const rotate =
  (apiKeyId: string): Verb<ActOptions & { readonly overlap: string }> =>
  async (ports, output, options) => {
    const { reason } = options;
    requireReason(reason);
    const overlapSeconds = wholeNumberOf('--overlap', options.overlap, 0, 604_800);
    if (rehearsed(output, options, `rotate ${apiKeyId}`)) return;
    show(output, await rotateAnyApiKey({ ...ports, apiKeysChanged }, { apiKeyId, overlapSeconds, reason }, caller));
  };

const revoke =
  (apiKeyId: string): Verb<ActOptions> =>
  (ports, output, options) => {
    const { reason } = options;
    const act = async () => ({
      api_key: await revokeAnyApiKey({ ...ports, apiKeysChanged }, { apiKeyId, reason }, caller),
    });
    return actAsked(output, options, `revoke ${apiKeyId}`, act, ({ api_key }) => [line(api_key)]);
  };

function show(output: Output, made: ApiKeyWithSecret): void {
  output.say('the secret is shown only once');
  output.data(made, ({ api_key, secret }) => [line(api_key), secret]);
}

const line = ({ api_key_id, state, owner, name, expires_at }: ApiKeyView): string =>
  `${state.padEnd(8)}  ${api_key_id}  ${owner.kind} ${owner.id ?? '(deleted)'}  until ${expires_at}  ${name}`;
