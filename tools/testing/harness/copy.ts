// For tests only: what an API copy is made of, by the product's own compose, on patient stores; no HTTP and no queue.

import { composeIdentity } from '#services/api/compose-identity.ts';
import { composeTokens } from '#services/api/compose-tokens.ts';
import { composeViews } from '#services/api/compose-views.ts';
import { keepDatabase } from '#services/api/keep-database.ts';
import type { Stores } from '#services/api/stores.ts';
import { createCertificateAuthorities } from '#services/core/access/certificates/certificate-authorities.ts';
import { createImportedKeys } from '#services/core/identity/passwords/imported-keys.ts';
import type { KeyRing } from '#services/core/keys/key-ring.ts';
import type { Clock, Log, MarkStore, PasswordHasher, Redis } from '#services/core/ports.ts';
import { createPolledGuard } from '#services/core/revocations/database-guard.ts';
import type { LegacyBridge } from '#services/core/tokens/verify/legacy-bridge-port.ts';
import { type Config, loadConfig, registrationOf } from '#services/platform/config/load.ts';
import { createHasher } from '#services/platform/hasher/hasher.ts';
import { createPool, createSql, createTransact } from '#services/platform/postgres/pool.ts';
import { createPrismaDatabase } from '#services/platform/postgres/prisma.ts';
import { connectRedis } from '#services/platform/redis/redis.ts';
import { leftOut } from '../processes/child-env.ts';
import { PATIENCE_MS, patient, quietLog } from './ports.ts';
import { connectPatientRedis } from './redis.ts';

/** A copy has no queue: a test runs the jobs it is about. */
const unqueued = async (): Promise<{ jobId: string }> => ({ jobId: '' });

/** The issuer and origin of every copy. */
const COPY_URL = 'http://api.sallyport.test';

export type CopyOptions = {
  readonly databaseUrl: string;
  readonly redisUrl: string;
  /** Shared by copies of one installation. */
  readonly authSecret: string;
  readonly marks: MarkStore;
  readonly env?: Readonly<Record<string, string>>;
  /** Options that no environment setting gives. */
  readonly change?: (config: Config) => Config;
  /** Gets errors that happen after a commit; without it they are thrown. */
  readonly log?: Log;
  readonly clock?: Clock;
  /** Size and timeout of the hashing queue; with the default, no sign-in is refused on a slow machine. */
  readonly hashQueue?: { readonly capacity: number; readonly maxWaitSeconds: number };
  /** Uses the product's own store timeouts, for tests of stores that stop answering. */
  readonly isHurried?: boolean;
  /** Wraps a real part before the use cases get it. */
  readonly around?: {
    readonly keyRing?: (real: KeyRing) => KeyRing;
    readonly redis?: (real: Redis) => Redis;
    readonly hasher?: (real: PasswordHasher) => PasswordHasher;
  };
};

/** The stores of a copy, with deadlines that a busy machine does not reach. */
async function openPatientStores({ databaseUrl: url, redisUrl, log, isHurried = false }: CopyOptions): Promise<Stores> {
  const databaseGuard = createPolledGuard();
  const deadlines = isHurried ? { statementTimeoutMs: 10_000, lockTimeoutMs: 10_000 } : patient;
  const open = (applicationName: string, connections: number, genericPlans = false) =>
    createPool({ ...deadlines, url, onLost: databaseGuard.doubt, applicationName, connections, genericPlans });
  const main = open('test', 16);
  const pools = { main, identity: main, refresh: open('test-hot', 4, true), revocations: open('test-poll', 1) };
  const onAfterCommitError = (err: unknown): void => {
    if (log === undefined) throw err;
    log.error({ err }, 'an action after a commit failed');
  };
  const redis = isHurried ? connectRedis(redisUrl, () => {}) : await connectPatientRedis(redisUrl);
  const authDatabase = createPrismaDatabase(main, onAfterCommitError, databaseGuard);
  return {
    sql: createSql(main, databaseGuard),
    transact: createTransact(main, onAfterCommitError, databaseGuard),
    hotSql: createSql(pools.refresh),
    pollSql: createSql(pools.revocations),
    authDatabase,
    redis,
    databaseGuard,
    onRedisError: () => {},
    pools,
    started: () => {},
    close: async () => {
      await authDatabase.close();
      await redis.close();
      await Promise.all([main, pools.refresh, pools.revocations].map((pool) => pool.end()));
    },
  };
}

/** A started copy: its ports, and what it keeps in memory. No deadline refuses, and no revocation is too old. */
export async function openCopy(options: CopyOptions) {
  const { around = {}, authSecret, isHurried = false, log = quietLog } = options;
  const patience = isHurried ? {} : { REVOCATION_STALENESS_MS: String(PATIENCE_MS) };
  const loaded = loadConfig({ BETTER_AUTH_SECRET: authSecret, ...leftOut, ...patience, ...options.env });
  const config = options.change?.(loaded) ?? loaded;
  const stores = await openPatientStores(options);
  const input = { ...options, config, log, publicUrl: COPY_URL };
  const waitMs = isHurried ? undefined : PATIENCE_MS;
  const views = composeViews(input, keepDatabase, { stores, clock: options.clock, confirmMs: waitMs });
  const {
    outside,
    poll,
    revocations,
    access,
    apiKeys,
    tokenSettings,
    announceRevocations,
    confirmState,
    confirmNewest,
  } = views;
  await views.load();
  poll.start();
  await poll.ready();
  const keyRing = around.keyRing?.(views.keyRing) ?? views.keyRing;
  const redis = { ...outside.redis, ...around.redis?.(outside.redis) };
  const identity = composeIdentity({ ...views, outside: { ...outside, redis }, keyRing }, unqueued);
  const tokens = composeTokens(views, identity, waitMs);
  const hasher = createHasher({
    pepper: keyRing.secret('pepper').key,
    children: 1,
    importedKey: createImportedKeys(outside),
    ...(options.hashQueue ?? { capacity: 256, maxWaitSeconds: 60 }),
  });
  const used: PasswordHasher = around.hasher?.(hasher) ?? hasher;
  const ports = {
    ...outside,
    ...identity,
    ...tokens,
    hasher: used,
    issuer: tokenSettings.issuer,
    publicUrl: COPY_URL,
    bindsCertificates: false,
    certificateAuthorities: createCertificateAuthorities([]),
    clientSettings: { ...config.clients, registration: registrationOf(config) },
    keyRing,
    access,
    apiKeys,
    revocations,
    tokenSettings,
    legacyBridge: null as LegacyBridge | null,
    announceRevocations,
    confirmState,
    confirmNewest,
  };
  return {
    ports,
    stores,
    poll,
    /** Better Auth is ready: else the first sign-in waits for it. */
    ready: () => ports.auth.ready(),
    hasher,
    close: async () => {
      await Promise.all([tokens.clientTokenLog.close(), tokens.refreshFamilies.close()]);
      await poll.close();
      await hasher.close();
      await stores.close();
    },
  };
}

export type Copy = Awaited<ReturnType<typeof openCopy>>;
