import { join } from 'node:path';
import { type DemoScenario, demoScenario } from '#prisma/seed/demo.ts';
import { ensureNeededKeys } from '#services/core/access/ensure-needed-keys.ts';
import { reconcilePermissions } from '#services/core/access/reconcile-permissions.ts';
import { makeOutboxPartitions } from '#services/core/audit/maintain-audit-outbox.ts';
import { maintainVersionHistory } from '#services/core/health/releases/maintain-version-history.ts';
import { seedDemo } from '#services/core/identity/seed/seed-demo.ts';
import { createKeyRing } from '#services/core/keys/key-ring.ts';
import type { Ports } from '#services/core/ports.ts';
import { claimUnusedDatabase } from '#services/core/revocations/high-water-keeper.ts';
import { modules } from '#services/modules.ts';
import { systemCaller } from '#services/platform/define/system-caller.ts';
import { type Config, loadConfig } from '../platform/config/load.ts';
import { systemClock, systemRandom } from '../platform/crypto/system.ts';
import { withUnwrappedKeys } from '../platform/crypto/unwrap-keys.ts';
import { vaultsOf } from '../platform/crypto/vaults.ts';
import { createHasher } from '../platform/hasher/hasher.ts';
import { ensureAuthSecret, writeSecretFile } from '../platform/local/data-dir.ts';
import { claimHighWaterPlace } from '../platform/marks/high-water-place.ts';
import { createMarks } from '../platform/marks/mark-stores.ts';
import { migrate } from '../platform/postgres/migrate.ts';
import { createPool, createSql, createTransact } from '../platform/postgres/pool.ts';
import { deployOf } from './deploy-of.ts';

type PrepareOptions = {
  databaseUrl: string;
  redisUrl: string;
  dataDir: string;
  /** Default: BETTER_AUTH_SECRET, else the secret of the data directory. */
  authSecret?: string;
  env?: NodeJS.ProcessEnv;
  log: (text: string) => void;
};

export type Prepared = {
  /** Names of the migrations that this start applied. */
  migrations: readonly string[];
  /** Kids of the signing keys that this start created. */
  keysCreated: readonly string[];
  /** Warnings about the key ring for the operator, one sentence each. */
  warnings: readonly string[];
  /** Null except under the development profile: only that has demo users. */
  credentialsFile: string | null;
};

const CALLER = systemCaller('start');

/**
 * Prepares a database so that the API can start: migrations, first keys and server secrets, and under the development
 * profile the demo users, their client and `dev-credentials.json`. Safe to repeat and to run concurrently.
 * @throws ConfigError, KeyMaterialError, or the error of Postgres
 */
export async function prepare(options: PrepareOptions): Promise<Prepared> {
  const env = options.env ?? process.env;
  const config = await withUnwrappedKeys(loadConfig(env));
  const authSecret = options.authSecret ?? config.identity.authSecret ?? ensureAuthSecret(options.dataDir);
  const beganAt = performance.now();
  const migrations = await migrate(options.databaseUrl, options.log);
  const seconds = ((performance.now() - beganAt) / 1_000).toFixed(1);
  if (migrations.length > 0)
    options.log(`migrations applied in ${seconds} s: ${migrations.length}, up to ${migrations.at(-1)}`);
  const pool = createPool({
    url: options.databaseUrl,
    connections: 4,
    applicationName: 'sallyport-prepare',
    statementTimeoutMs: 30_000,
    lockTimeoutMs: 30_000,
  });
  try {
    const { vault, previousVault } = vaultsOf(config, authSecret);
    const ports = {
      sql: createSql(pool),
      transact: createTransact(pool, (err) => options.log(`after a commit: ${(err as Error).message}`)),
      clock: systemClock,
      random: systemRandom,
      vault,
    };
    await makeOutboxPartitions(ports);
    await maintainVersionHistory(ports, await deployOf(options.databaseUrl, config.server.build, 'start'), CALLER);
    const declared = await reconcilePermissions(
      ports,
      modules.flatMap((module) => module.permissions),
      CALLER,
    );
    const taken = declared.filter(({ change }) => change === 'taken').map(({ name }) => name);
    if (config.server.profile === 'production') await claimHighWaterPlace(ports, config.marks, options.dataDir);
    // Runs before the first key is created: a database that never issued a token cannot be rewound, whatever the marks say.
    await claimUnusedDatabase({ ...ports, marks: createMarks(config.marks, options.dataDir) });
    const { created, warnings } = await ensureNeededKeys(
      ports,
      { ...keySettingsOf(config, authSecret), previousVault },
      CALLER,
    );
    const credentialsFile =
      config.server.profile === 'development' ? await prepareDemo(ports, config, authSecret, options) : null;
    const clashes = taken.map(
      (name) =>
        `an application declared the permission ${name}, which is now one of the installation: declare it under another name`,
    );
    return { migrations, keysCreated: created, warnings: [...clashes, ...warnings], credentialsFile };
  } finally {
    await pool.end();
  }
}

const keySettingsOf = (config: Config, authSecret: string): Parameters<typeof ensureNeededKeys>[1] => ({
  keys: config.keys,
  tokens: config.tokens,
  authSecret,
  // Null: only the API knows the address it will listen on.
  audience: config.tokens.audience ?? config.server.publicUrl ?? null,
});

async function prepareDemo(
  ports: Pick<Ports, 'sql' | 'transact' | 'clock' | 'random' | 'vault'>,
  config: Config,
  authSecret: string,
  { databaseUrl, redisUrl, dataDir }: PrepareOptions,
): Promise<string> {
  const scenario = demoScenario(authSecret);
  const keyRing = createKeyRing(ports, config.keys);
  await keyRing.load();
  const children = config.identity.hasherChildren || 2;
  const hasher = createHasher({ pepper: keyRing.secret('pepper').key, children, maxWaitSeconds: 60 });
  try {
    await seedDemo({ ...ports, hasher }, { users: [scenario.user, scenario.admin], client: scenario.client }, CALLER);
  } finally {
    await hasher.close();
  }
  return writeCredentials(dataDir, { scenario, databaseUrl, redisUrl });
}

/** Writes `dev-credentials.json` atomically with mode 0600; its URLs have owner rights. */
function writeCredentials(
  dataDir: string,
  { scenario, databaseUrl, redisUrl }: { scenario: DemoScenario; databaseUrl: string; redisUrl: string },
): string {
  const path = join(dataDir, 'dev-credentials.json');
  const { user, admin, client } = scenario;
  const content = {
    user: { email: user.email, password: user.password },
    admin: { email: admin.email, password: admin.password },
    client: { client_id: client.clientId, client_secret: client.clientSecret },
    database_url: databaseUrl,
    redis_url: redisUrl,
  };
  writeSecretFile(path, `${JSON.stringify(content, null, 2)}\n`);
  return path;
}
