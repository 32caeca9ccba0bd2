import type { Command } from 'commander';
import type { ApiKeyView } from '../services/domain/api-keys/contract.ts';
import { type ApiKeyWithSecret, createApiKeyFor } from '../services/domain/api-keys/create-api-key.ts';
import { listAllApiKeys } from '../services/domain/api-keys/list-api-keys.ts';
import { revokeAnyApiKey } from '../services/domain/api-keys/revoke-api-key.ts';
import { rotateAnyApiKey } from '../services/domain/api-keys/rotate-api-key.ts';
import type { Caller } from '../services/domain/ports.ts';
import { isAppError } from '../services/platform/define/error.ts';
import { confirm } from './confirm.ts';
import { type DatabasePorts, systemCaller, withDatabase } from './database-ports.ts';
import { CommandError, exitCodes } from './exit-codes.ts';
import { createOutput, type GlobalOptions, type Output } from './output.ts';

const caller = systemCaller('sallyport api-keys') as Caller & { readonly kind: 'system' };
// Running copies see the change at their next poll, a quarter of a second away.
const apiKeysChanged = (): void => {};

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const LIST_MAX = 100;
const YEAR_DAYS = 366;

type Work<O> = (ports: DatabasePorts, output: Output, options: GlobalOptions & O) => Promise<void>;

async function run<O>(command: Command, work: Work<O>): Promise<void> {
  const options = command.optsWithGlobals<GlobalOptions & O>();
  try {
    await withDatabase((ports) => work(ports, createOutput(options), options));
  } catch (err) {
    if (!isAppError(err)) throw err;
    const { title, fix, status } = err.definition;
    const code = status >= 500 ? exitCodes.unreachable : status === 404 ? exitCodes.usage : exitCodes.refused;
    throw new CommandError(code, `${title} (${err.code})`, fix, { cause: err });
  }
}

/** `sallyport api-keys list|create|rotate|revoke`, directly on the database. */
export function registerApiKeys(program: Command): void {
  const keys = program.command('api-keys').description('API keys: list, create, rotate, revoke');
  keys
    .command('list')
    .description('keys of everybody or of one owner, newest first')
    .option('--user <id>', 'of this user alone')
    .option('--client <id>', 'of this client alone')
    .option('--cursor <cursor>', 'where the list before ended')
    .action((_own, command: Command) => run(command, list));
  keys
    .command('create')
    .description('make a key for a user or a client; its secret is printed this once')
    .requiredOption('--name <text>', 'what it is for')
    .option('--user <id>', 'it speaks for this user')
    .option('--client <id>', 'it speaks for this client')
    .option('--permission <name...>', 'what it may do of what its owner may')
    .option('--days <n>', 'life in days', '90')
    .option('--per-minute <n>', 'requests a minute', '600')
    .action((_own, command: Command) => run(command, create));
  keys
    .command('rotate')
    .description('give a key a new secret; it is printed this once')
    .argument('<id>', 'which key')
    .option('--overlap <seconds>', 'how long the old secret stays good', '86400')
    .action((id: string, _own, command: Command) =>
      run<{ overlap: string }>(command, (ports, output, options) => rotate(ports, output, options, uuidOf(id))),
    );
  keys
    .command('revoke')
    .description('end a key at once')
    .argument('<id>', 'which key')
    .requiredOption('--reason <text>', 'why, for the audit log')
    .action((id: string, _own, command: Command) =>
      run<{ reason: string }>(command, (ports, output, options) => revoke(ports, output, options, uuidOf(id))),
    );
}

type OwnerOptions = { readonly user?: string; readonly client?: string };

const list: Work<OwnerOptions & { readonly cursor?: string }> = async (ports, output, { user, client, cursor }) => {
  const { items, next } = await listAllApiKeys(ports, { limit: LIST_MAX, cursor, user_id: user, client_id: client });
  output.data({ api_keys: items, next }, ({ api_keys }) => api_keys.map(line));
  if (next !== null) output.say(`there are more: --cursor ${next}`);
};

type CreateOptions = OwnerOptions & {
  readonly name: string;
  readonly permission?: readonly string[];
  readonly days: string;
  readonly perMinute: string;
};

const create: Work<CreateOptions> = async (
  ports,
  output,
  { user, client, name, permission, days, perMinute, dryRun },
) => {
  const id = user ?? client;
  if (id === undefined || (user !== undefined && client !== undefined))
    throw new CommandError(exitCodes.usage, 'a key has one owner', 'give --user or --client');
  if (name === '' || name.length > 100) throw new CommandError(exitCodes.usage, '--name takes 1 to 100 characters');
  const input = {
    owner: { kind: user === undefined ? 'client' : 'user', id } as const,
    name,
    permissions: permission ?? [],
    expires_in_seconds: numberOf('--days', days, YEAR_DAYS) * 86_400,
    requests_per_minute: numberOf('--per-minute', perMinute, 60_000),
  };
  if (dryRun) return output.say(`would make a key for ${input.owner.kind} ${id}; nothing was done`);
  show(output, await createApiKeyFor({ ...ports, apiKeysChanged }, input, caller));
};

async function rotate(
  ports: DatabasePorts,
  output: Output,
  { overlap, dryRun }: GlobalOptions & { readonly overlap: string },
  apiKeyId: string,
): Promise<void> {
  const overlapSeconds = overlap === '0' ? 0 : numberOf('--overlap', overlap, 604_800);
  if (dryRun) return output.say(`would rotate ${apiKeyId}; nothing was done`);
  show(output, await rotateAnyApiKey({ ...ports, apiKeysChanged }, { apiKeyId, overlapSeconds }, caller));
}

async function revoke(
  ports: DatabasePorts,
  output: Output,
  { reason, dryRun, yes }: GlobalOptions & { readonly reason: string },
  apiKeyId: string,
): Promise<void> {
  if (reason === '' || reason.length > 500)
    throw new CommandError(exitCodes.usage, '--reason takes 1 to 500 characters');
  if (dryRun) return output.say(`would revoke ${apiKeyId}; nothing was done`);
  if (!yes) await confirm(`Refuse every request with the key ${apiKeyId}?`);
  const key = await revokeAnyApiKey({ ...ports, apiKeysChanged }, { apiKeyId, reason }, caller);
  output.data({ api_key: key }, () => [line(key)]);
}

function show(output: Output, made: ApiKeyWithSecret): void {
  output.say('this is the only time that the secret is shown');
  output.data(made, ({ api_key, secret }) => [line(api_key), secret]);
}

const line = ({ api_key_id, state, owner, name, expires_at }: ApiKeyView): string =>
  `${state.padEnd(8)}  ${api_key_id}  ${owner.kind} ${owner.id ?? '(deleted)'}  until ${expires_at}  ${name}`;

function uuidOf(id: string): string {
  if (UUID.test(id)) return id;
  throw new CommandError(exitCodes.usage, 'this is no id of a key', 'sallyport api-keys list');
}

function numberOf(option: string, text: string, maximum: number): number {
  const number = /^\d{1,7}$/.test(text) ? Number(text) : 0;
  if (number >= 1 && number <= maximum) return number;
  throw new CommandError(exitCodes.usage, `${option} takes 1 to ${maximum}`);
}
