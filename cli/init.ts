import { existsSync, lstatSync, mkdirSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { isDeepStrictEqual, parseEnv } from 'node:util';
import type { Command } from 'commander';
import { createClient } from '#services/core/access/create-client.ts';
import { inviteUser } from '#services/core/identity/admin/invite-user.ts';
import { inviteUserEndpoint } from '#services/core/identity/contracts/invitation-contract.ts';
import { prepare } from '#services/migrate/prepare.ts';
import { loadProcessConfig } from '#services/platform/config/load.ts';
import { createSecretFile, ensureDataDir, randomSecret, resolveDataDir } from '#services/platform/local/data-dir.ts';
import { migrationStates } from '#services/platform/postgres/migrate.ts';
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
const LOCAL = 'http://localhost:3000';
const LOCAL_NAMES = ['localhost', '127.0.0.1', '[::1]'];
/** Settings that `init` makes itself: a variable of that name would outrank its file at each start. */
const OWN = [
  ...['SALLYPORT_PROFILE', 'BETTER_AUTH_URL', 'BETTER_AUTH_SECRET', 'PORT', 'DATABASE_DIRECT_URL'],
  ...['KEY_ENCRYPTION_KEY', 'KEY_ENCRYPTION_KEY_FILE', 'KEY_ENCRYPTION_KEY_WRAPPED', 'KEY_ENCRYPTION_KEY_PREVIOUS'],
];

type InitOptions = GlobalOptions & {
  readonly url?: string;
  readonly database?: string;
  readonly redis?: string;
  readonly admin?: string;
  readonly keyFile?: string;
  readonly client: string;
};

/** What an installation needs before its first start. */
type Plan = {
  readonly envFile: string;
  readonly keyFile: string;
  readonly dataDir: string;
  readonly admin: string;
  readonly settings: Readonly<Record<string, string>>;
  /** Those settings as `envFile` has them. */
  readonly text: string;
};

const refused = (message: string, fix: string): CommandError => new CommandError(exitCodes.refused, message, fix);

const invitation = (email: string) => checked(inviteUserEndpoint, { email, roles: ['admin'], reason: REASON });

const isThere = (path: string): boolean => lstatSync(path, { throwIfNoEntry: false }) !== undefined;

function refuseUsed(envFile: string, dataDir: string, env: NodeJS.ProcessEnv): void {
  const start = 'start it with "npx sallyport start", or name another file in SALLYPORT_ENV_FILE';
  if (envFile === '') throw refused('SALLYPORT_ENV_FILE is empty, so no file has the settings', 'unset it');
  if (isThere(envFile)) throw refused(`${envFile} has settings already`, start);
  if (existsSync(join(dataDir, 'auth-secret')))
    throw refused(`${dataDir} has an installation already`, 'name another folder in SALLYPORT_DATA_DIR');
  const set = OWN.find((name) => env[name] !== undefined);
  if (set !== undefined) throw refused(`${set} is set, and would outrank the settings that this writes`, 'unset it');
}

/** The first kind of quote that the value does not contain. Between double quotes a backslash has a meaning. */
const lineOf = ([name, value]: readonly [string, string]): string => {
  const quote = ["'", '`', '"'].find((each) => !value.includes(each)) ?? "'";
  return `${name}=${quote}${value}${quote}\n`;
};

function settingsOf(url: string, given: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const { hostname = '', port = '', protocol = '', href = url } = URL.parse(url) ?? {};
  const isLocal = LOCAL_NAMES.includes(hostname);
  const all = {
    SALLYPORT_PROFILE: isLocal ? 'development' : 'production',
    BETTER_AUTH_URL: href.replace(/\/$/, ''),
    PORT: isLocal && protocol === 'http:' ? port || '80' : undefined,
    ...given,
    BETTER_AUTH_SECRET: randomSecret(),
  };
  return Object.fromEntries(Object.entries(all).filter((entry): entry is [string, string] => Boolean(entry[1])));
}

/** Asks what is not given. @throws CommandError (2) without an answer, (3) from a store, (5); ConfigError */
async function planOf(options: InitOptions, env: NodeJS.ProcessEnv): Promise<Plan> {
  const [envFile, dataDir] = [envFileOf(env), resolveDataDir(env)];
  refuseUsed(envFile, dataDir, env);
  const url =
    options.url ?? (await ask('At which address do people and applications reach Sallyport?', '--url', LOCAL));
  const postgres = env.DATABASE_URL ?? '';
  const database =
    options.database ??
    (postgres || (await ask('URL of PostgreSQL? Empty: Sallyport starts its own', '--database', '')));
  const redis =
    options.redis ?? (env.REDIS_URL || (await ask('URL of Redis? Empty: Sallyport starts its own', '--redis', '')));
  const admin = options.admin ?? (await ask('Mail address of the first administrator?', '--admin'));
  invitation(admin);
  const kept = join(dataDir, 'key-encryption-key');
  const keyFile = options.keyFile ?? (await ask('File for the key that encrypts all other keys?', '--key-file', kept));
  if (keyFile.startsWith('~') || isThere(keyFile))
    throw refused(`${keyFile} ${keyFile.startsWith('~') ? 'begins with ~' : 'exists'}`, 'name a new file by its path');
  const settings = settingsOf(url, {
    DATABASE_URL: database,
    REDIS_URL: redis,
    SALLYPORT_DATA_DIR: env.SALLYPORT_DATA_DIR && dataDir,
    KEY_ENCRYPTION_KEY_FILE: resolve(keyFile),
  });
  const text = Object.entries(settings).map(lineOf).join('');
  if (!isDeepStrictEqual({ ...parseEnv(text) }, settings))
    throw refused('a file of settings cannot hold one of these values', 'percent-encode quotes in URLs');
  const own = { ...env, ...settings };
  // Refuses what a start would refuse; the file of the key is not there yet.
  loadProcessConfig(own);
  if (database !== '') await openContext(['databaseUrl'], own);
  if (redis !== '') await openContext(['redisUrl'], own);
  return { envFile, keyFile: resolve(keyFile), dataDir, admin, settings, text };
}

/** @throws CommandError (5) if it is there, or cannot be written */
function create(path: string, content: string): void {
  try {
    mkdirSync(dirname(path), { recursive: true });
    if (createSecretFile(path, content) === content.trim()) return;
  } catch (err) {
    throw refused(`cannot write ${path} (${(err as NodeJS.ErrnoException).code})`, 'name a file that you may write');
  }
  throw refused(`${path} exists`, 'name a new file');
}

/** Migrates the database, makes its first keys, and there the administrator and the client. */
async function fill(plan: Plan, name: string, output: Output): Promise<{ clientId: string; clientSecret: string }> {
  const { envFile, keyFile, dataDir, admin, settings, text } = plan;
  const env = { ...process.env, ...settings };
  const stores = await startStores(env, dataDir, output.say);
  const leave = (): void => void stores.stop().finally(() => process.exit(130));
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, leave);
  try {
    const { databaseUrl, redisUrl } = stores;
    if ((await migrationStates(databaseUrl)).some(({ state }) => state !== 'pending'))
      throw refused('the database has an installation already', 'name an empty database, or start that installation');
    ensureDataDir(dataDir);
    create(keyFile, randomSecret());
    create(envFile, text);
    return await (async () => {
      await prepare({ databaseUrl, redisUrl, dataDir, env, log: output.say });
      return withDatabase(
        async (ports) => {
          await ports.keyRing.load();
          const { invitationSeconds } = ports.settings.identity;
          await inviteUser({ ...ports, ...mailer(ports.settings), invitationSeconds }, invitation(admin), caller);
          const client = { name, grant_types: ['client_credentials' as const], reason: REASON };
          const { clientId, clientSecret } = await createClient(ports, client, caller);
          return { clientId, clientSecret: clientSecret as string };
        },
        { env: { ...env, DATABASE_URL: databaseUrl } },
      );
    })().catch((cause: Error) => {
      const fix =
        'mend that, then start it with these settings, invite the administrator (users invite) and create a client (clients create)';
      throw new CommandError(exitCodes.checkFailed, `${envFile} is written, but ${cause.message}`, fix, { cause });
    });
  } finally {
    await stores.stop();
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.off(signal, leave);
  }
}

async function init(options: InitOptions): Promise<void> {
  const output = createOutput(options);
  const plan = await planOf(options, process.env);
  const { envFile, keyFile, admin, settings } = plan;
  if (rehearsed(output, options, `write ${envFile} and ${keyFile}, invite ${admin} and create a client`)) return;
  const { clientId, clientSecret } = await fill(plan, options.client, output);
  const { SALLYPORT_PROFILE: profile } = settings;
  const made = { settings: envFile, profile, key_file: keyFile, administrator: admin, client_id: clientId };
  const named = process.env.SALLYPORT_ENV_FILE === undefined ? '' : `SALLYPORT_ENV_FILE='${envFile}' `;
  output.data({ ...made, client_secret: clientSecret }, () => [
    `settings       ${envFile}, profile ${profile}`,
    `key            ${keyFile}; keep a copy, apart from backups of the database`,
    `administrator  ${admin}; the invitation is sent after the start (without SMTP_URL: npx sallyport mail list)`,
    `client         ${clientId}, secret ${clientSecret}, which is shown only here`,
    `next           ${named}npx sallyport start`,
  ]);
}

export function registerInit(program: Command): void {
  program
    .command('init')
    .option('--url <url>', 'address where people and applications reach Sallyport; on this machine: for development')
    .option('--database <url>', 'URL of PostgreSQL, also from DATABASE_URL; empty: Sallyport starts its own')
    .option('--redis <url>', 'URL of Redis, also from REDIS_URL; empty: Sallyport starts its own')
    .option('--admin <email>', 'mail address of the first administrator')
    .option('--key-file <path>', 'new file for the key that encrypts all other keys')
    .option('--client <name>', 'name of the first client', 'First application')
    .action((_own, command: Command) => init(command.optsWithGlobals()));
}
