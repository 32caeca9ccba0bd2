import type { Command } from 'commander';
import { createApiKeyEndpoint } from '../services/core/api-keys/contract.ts';
import { type ApiKeyWithSecret, createApiKeyFor } from '../services/core/api-keys/create-api-key.ts';
import { apiKeyLine, apiKeyOperations } from '../services/core/api-keys/operations.ts';
import { rotateAnyApiKey } from '../services/core/api-keys/rotate-api-key.ts';
import { type ActOptions, addReason, noNotices, onDatabase, rehearsed, type Verb } from './admin.ts';
import { checked, listed, requireReason, uuidOf, wholeNumberOf } from './arguments.ts';
import { systemCaller } from './database-ports.ts';
import { CommandError, exitCodes } from './exit-codes.ts';
import { registerOperations } from './operations.ts';
import type { Output } from './output.ts';

const caller = systemCaller('sallyport api-keys');

const LISTING = 'sallyport api-keys list';
const YEAR_DAYS = 366;

/** `sallyport api-keys create|rotate`, directly on the database; only the system manages the keys of others. */
export function registerApiKeys(program: Command): void {
  registerOperations(program, apiKeyOperations);
  const keys = program.commands.find((verb) => verb.name() === 'api-keys') as Command;
  addReason(keys.command('create'))
    .description('create a key for a user or a client; its secret is printed only once')
    .requiredOption('--name <text>', 'purpose of the key')
    .option('--user <id>', 'user the key acts for')
    .option('--client <id>', 'client the key acts for')
    .option('--permission <name...>', 'permissions, at most those of its owner', listed)
    .option('--days <n>', 'lifetime in days', '90')
    .option('--per-minute <n>', 'requests a minute', '600')
    .action((_own, command: Command) => onDatabase(command, create));
  addReason(keys.command('rotate'))
    .description('give a key a new secret; it is printed only once')
    .argument('<id>', 'id of the key, as `api-keys list` shows it')
    .option('--overlap <seconds>', 'how long the old secret stays valid', '86400')
    .action((id: string, _own, command: Command) => onDatabase(command, rotate(uuidOf(id, LISTING))));
}

type OwnerOptions = { readonly user?: string; readonly client?: string };

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
  const made = await createApiKeyFor({ ...ports, ...noNotices }, input, caller);
  if (!rehearsed(output, options, `create a key for ${owner.kind} ${id}`)) show(output, made);
};

const rotate =
  (apiKeyId: string): Verb<ActOptions & { readonly overlap: string }> =>
  async (ports, output, options) => {
    const { reason } = options;
    requireReason(reason);
    const overlapSeconds = wholeNumberOf('--overlap', options.overlap, 0, 604_800);
    const input = { api_key_id: apiKeyId, overlap_seconds: overlapSeconds, reason };
    const made = await rotateAnyApiKey({ ...ports, ...noNotices }, input, caller);
    if (!rehearsed(output, options, `rotate ${apiKeyId}`)) show(output, made);
  };

function show(output: Output, made: ApiKeyWithSecret): void {
  output.say('the secret is shown only once');
  output.data(made, ({ api_key, secret }) => [apiKeyLine(api_key), secret]);
}
