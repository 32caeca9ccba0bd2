import { existsSync, mkdirSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import type { Command } from 'commander';
import { createClient } from '#services/core/access/create-client.ts';
import { inviteUser } from '#services/core/identity/admin/invite-user.ts';
import { inviteUserEndpoint } from '#services/core/identity/contracts/invitation-contract.ts';
import { prepare } from '#services/migrate/prepare.ts';
import { loadProcessConfig } from '#services/platform/config/load.ts';
import { createSecretFile, ensureDataDir, randomSecret, resolveDataDir } from '#services/platform/local/data-dir.ts';
import { startStores } from '#services/supervisor/stores.ts';
import { rehearsed } from './admin.ts';
import { checked } from './arguments.ts';
import { ask } from './confirm.ts';
import { openContext } from './context.ts';
import { systemCaller, withDatabase } from './database-ports.ts';
import { envFileOf } from './env-file.ts';
import { CommandError, exitCodes } from './exit-codes.ts';
import { mailer } from './mailer.ts';
import { createOutput, type GlobalOptions, type Output } from './output.ts';

const caller = systemCaller('sallyport init');
const REASON = 'first set-up of this installation';

type InitOptions = GlobalOptions & {
  readonly url?: string;
  readonly database?: string;
  readonly redis?: string;
  readonly admin?: string;
  readonly keyFile?: string;
  readonly client: string;
};

type Answers = { readonly url: string; readonly database: string; readonly redis: string; readonly admin: string };

/** What an installation needs before its first start: the settings of its file, and where its key is kept. */
type Plan = Answers & {
  readonly envFile: string;
  readonly keyFile: string;
  readonly dataDir: string;
  readonly settings: Readonly<Record<string, string>>;
};

const LOCAL = 'http://localhost:3000';

/** @throws CommandError (2) without an answer that has no default */
async function answersOf(options: InitOptions): Promise<Answers> {
  return {
    url: options.url ?? (await ask('At which address do people and applications reach it?', '--url', LOCAL)),
    database: options.database ?? (await ask('URL of PostgreSQL? Empty: one that it brings', '--database', '')),
    redis: options.redis ?? (await ask('URL of Redis? Empty: one on this machine', '--redis', '')),
    admin: options.admin ?? (await ask('Mail address of the first administrator?', '--admin')),
  };
}

async function planOf(options: InitOptions, env: NodeJS.ProcessEnv): Promise<Plan> {
  const envFile = envFileOf(env);
  if (envFile === '' || existsSync(envFile))
    throw new CommandError(
      exitCodes.refused,
      envFile === '' ? 'SALLYPORT_ENV_FILE is empty' : `${envFile} has settings already`,
      'start with "npx sallyport start", or name another file in SALLYPORT_ENV_FILE',
    );
  const dataDir = resolveDataDir(env);
  const answers = await answersOf(options);
  const suggested = join(dataDir, 'key-encryption-key');
  const keyFile = resolve(
    options.keyFile ?? (await ask('File for the key of all other keys?', '--key-file', suggested)),
  );
  const { url, database, redis, admin } = answers;
  checked(inviteUserEndpoint, { email: admin, roles: ['admin'], reason: REASON });
  const settings = {
    SALLYPORT_PROFILE: url.startsWith('https:') ? 'production' : 'development',
    BETTER_AUTH_URL: url,
    ...(database === '' ? {} : { DATABASE_URL: database }),
    ...(redis === '' ? {} : { REDIS_URL: redis }),
    ...(env.SALLYPORT_DATA_DIR ? { SALLYPORT_DATA_DIR: dataDir } : {}),
    KEY_ENCRYPTION_KEY_FILE: keyFile,
    BETTER_AUTH_SECRET: randomSecret(),
  };
  // Refuses what a start would refuse; the file of the key is not there yet.
  loadProcessConfig({ ...env, ...settings });
  if (database !== '') await openContext(['databaseUrl'], { ...env, ...settings });
  if (redis !== '') await openContext(['redisUrl'], { ...env, ...settings });
  return { ...answers, envFile, keyFile, dataDir, settings };
}

/** A value as `.env` has it: in quotes that it does not contain. */
const lineOf = ([name, value]: readonly [string, string]): string =>
  `${name}=${value.includes("'") ? `"${value}"` : `'${value}'`}\n`;

function create(path: string, content: string): void {
  mkdirSync(dirname(path), { recursive: true });
  createSecretFile(path, content);
}

/** Migrates the database, makes its first keys, and there the administrator and the client. */
async function fill(plan: Plan, name: string, output: Output): Promise<{ clientId: string; clientSecret: string }> {
  const env = { ...process.env, ...plan.settings };
  const stores = await startStores(env, plan.dataDir, output.say);
  try {
    ensureDataDir(plan.dataDir);
    // Kept if what follows fails: keys in the database may be encrypted with it, and the next try uses it.
    create(plan.keyFile, randomSecret());
    const { databaseUrl, redisUrl } = stores;
    const given = { ...env, DATABASE_URL: databaseUrl };
    await prepare({ databaseUrl, redisUrl, dataDir: plan.dataDir, env, log: output.say });
    return await withDatabase(
      async (ports) => {
        await ports.keyRing.load();
        const input = checked(inviteUserEndpoint, { email: plan.admin, roles: ['admin'], reason: REASON });
        const { invitationSeconds } = ports.settings.identity;
        await inviteUser({ ...ports, ...mailer(ports.settings), invitationSeconds }, input, caller);
        const client = { name, grant_types: ['client_credentials' as const], reason: REASON };
        const { clientId, clientSecret } = await createClient(ports, client, caller);
        return { clientId, clientSecret: clientSecret as string };
      },
      { env: given },
    );
  } finally {
    await stores.stop();
  }
}

async function init(options: InitOptions): Promise<void> {
  const output = createOutput(options);
  const plan = await planOf(options, process.env);
  const { envFile, keyFile, admin } = plan;
  if (rehearsed(output, options, `write ${envFile} and ${keyFile}, invite ${admin} and create a client`)) return;
  const { clientId, clientSecret } = await fill(plan, options.client, output);
  create(envFile, Object.entries(plan.settings).map(lineOf).join(''));
  const made = { settings: envFile, key_file: keyFile, administrator: admin, client_id: clientId };
  output.data({ ...made, client_secret: clientSecret }, () => [
    `settings       ${envFile}`,
    `key            ${keyFile}; keep a copy, apart from backups of the database`,
    `administrator  ${admin}; the invitation goes out once it runs (without SMTP_URL: npx sallyport mail list)`,
    `client         ${clientId}, secret ${clientSecret}, which is shown only here`,
    'next           npx sallyport start',
  ]);
}

export function registerInit(program: Command): void {
  program
    .command('init')
    .option('--url <url>', 'address where people and applications reach it; https: the profile is production')
    .option('--database <url>', 'URL of PostgreSQL; empty: one that it brings')
    .option('--redis <url>', 'URL of Redis; empty: one on this machine')
    .option('--admin <email>', 'mail address of the first administrator')
    .option('--key-file <path>', 'file for the key that encrypts all others')
    .option('--client <name>', 'name of the first client', 'First application')
    .action((_own, command: Command) => init(command.optsWithGlobals()));
}
