// For tests only: the use-cases of people on real stores, called where they are; no HTTP comes in.

import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type pg from 'pg';
import { passwordPolicyOf } from '#services/api/password-policy.ts';
import { type AccessDirectory, createAccessDirectory } from '#services/domain/access/access-directory.ts';
import { createAuth } from '#services/domain/identity/better-auth/auth.ts';
import type { CallbackPorts } from '#services/domain/identity/social/handle-oauth-callback.ts';
import { createSocialProviders } from '#services/domain/identity/social/providers.ts';
import { ensureKeys } from '#services/domain/keys/ensure-keys.ts';
import { createKeyRing, type KeyRing } from '#services/domain/keys/key-ring.ts';
import type { Caller, Log, PasswordHasher, Redis } from '#services/domain/ports.ts';
import { createPolledGuard, type PolledGuard } from '#services/domain/tokens/revocations/database-guard.ts';
import { createRevocationSet, type RevocationMemory } from '#services/domain/tokens/revocations/revocation-set.ts';
import { createStatePoll, type StatePoll } from '#services/domain/tokens/revocations/state-poll.ts';
import { isVerificationRequired, secondFactorRolesOf, sessionLifeOf } from '#services/platform/config/identity.ts';
import { keyEncryptionKeyOf, loadConfig } from '#services/platform/config/load.ts';
import { systemClock, systemRandom } from '#services/platform/crypto/system.ts';
import { createVault } from '#services/platform/crypto/vault.ts';
import { createHasher, type Hasher } from '#services/platform/hasher/hasher.ts';
import { createFileMarks } from '#services/platform/marks/file-marks.ts';
import { createPool, createSql, createTransact } from '#services/platform/postgres/pool.ts';
import { createPrismaDatabase } from '#services/platform/postgres/prisma.ts';
import { connectRedis, type RedisConnection } from '#services/platform/redis/redis.ts';
import type { Json } from '../http-client.ts';
import { connectPatientRedis, PATIENCE_MS, patient, quietLog } from './ports.ts';
import { createTestDatabase, testRedisUrl } from './stores.ts';

const systemCaller: Caller = {
  kind: 'system',
  name: 'test',
  request: { ip: '', userAgent: '', traceId: '', traceparent: '' },
};

export type PeopleOptions = {
  readonly authSecret?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly secureCookies?: boolean;
  readonly trustedOrigins?: readonly string[];
  readonly log?: Log;
  /** Places and patience of the hashing queue; the default refuses nobody however slow the machine. */
  readonly hashQueue?: { readonly capacity: number; readonly maxWaitSeconds: number };
  /** Stores are given up as soon as the product gives them up: for those that stop answering. */
  readonly isHurried?: boolean;
  /** Puts something between the use-cases and a real part. */
  readonly around?: {
    readonly keyRing?: (real: KeyRing) => KeyRing;
    readonly redis?: (real: Redis) => Redis;
    readonly hasher?: (real: PasswordHasher) => PasswordHasher;
  };
};
export type PeopleHarnessOptions = PeopleOptions & { readonly databaseUrl: string; readonly redisUrl: string };

/** What an API copy gives the use-cases of people. */
export type PeopleHarness = {
  readonly databaseUrl: string;
  readonly redisUrl: string;
  readonly pool: pg.Pool;
  readonly redis: RedisConnection;
  readonly keyRing: KeyRing;
  readonly access: AccessDirectory;
  readonly revocations: RevocationMemory;
  readonly databaseGuard: PolledGuard;
  readonly poll: StatePoll;
  readonly hasher: Hasher;
  readonly deps: CallbackPorts;
  /** SQL of the test's own: to set a scene, or to look at rows. */
  rows<R = Json>(text: string, values?: readonly unknown[]): Promise<R[]>;
  close(): Promise<void>;
};

/** Stores of its own, which `close` drops. */
export async function openPeopleHarness(options: PeopleOptions = {}): Promise<PeopleHarness> {
  const database = await createTestDatabase();
  const harness = await startPeopleHarness({ ...options, databaseUrl: database.url, redisUrl: testRedisUrl() });
  return {
    ...harness,
    close: async () => {
      await harness.close();
      await database.drop();
    },
  };
}

/** On the stores given, which others may share. No deadline refuses, and no revocation is too old to be believed. */
export async function startPeopleHarness(options: PeopleHarnessOptions): Promise<PeopleHarness> {
  const authSecret = options.authSecret ?? randomBytes(32).toString('base64url');
  const { isHurried = false } = options;
  const patience = isHurried ? {} : { REVOCATION_STALENESS_MS: String(PATIENCE_MS) };
  const config = loadConfig({ BETTER_AUTH_SECRET: authSecret, ...patience, ...options.env });
  const log = options.log ?? quietLog;
  const deadlines = isHurried ? { statementTimeoutMs: 10_000, lockTimeoutMs: 10_000 } : patient;
  const databaseGuard = createPolledGuard();
  const shared = { url: options.databaseUrl, ...deadlines, onLost: databaseGuard.doubt };
  const pool = createPool({ ...shared, connections: 16, applicationName: 'test' });
  const pollPool = createPool({ ...shared, connections: 1, applicationName: 'test-poll' });
  const sql = createSql(pool, databaseGuard);
  const onAfterCommitError = (err: unknown): void => log.error({ err }, 'after a commit');
  const transact = createTransact(pool, onAfterCommitError, databaseGuard);
  const redis = isHurried ? connectRedis(options.redisUrl, () => {}) : await connectPatientRedis(options.redisUrl);
  const clock = systemClock;
  const random = systemRandom;
  const vault = createVault(keyEncryptionKeyOf(config, authSecret));
  const marksDir = await mkdtemp(join(tmpdir(), 'sallyport-marks-'));

  const url = 'http://api.sallyport.test';
  const keySettings = { keys: config.keys, tokens: config.tokens, authSecret, audience: url };
  await ensureKeys({ transact, sql, vault, random }, keySettings, systemCaller);
  const keyRing = createKeyRing({ sql, vault, clock, random }, config.keys);
  const access = createAccessDirectory({ sql, clock }, { secondFactorRoles: secondFactorRolesOf(config) });
  const revocations = createRevocationSet({
    clock,
    log,
    stalenessBoundMs: config.stores.stalenessBoundMs,
    budget: config.stores.revocationBudget,
    databaseGuard,
  });
  const poll = createStatePoll({
    sql,
    pollSql: createSql(pollPool),
    redis,
    clock,
    log,
    marks: createFileMarks(marksDir),
    revocations,
    databaseGuard,
    pollIntervalMs: config.stores.pollIntervalMs,
    onKeysVersion: () => keyRing.load(),
    onAccessVersion: () => access.load(),
    onConfirmed: ({ keysVersion, sentAtMs, databaseNowMs }) => keyRing.confirm(keysVersion, sentAtMs, databaseNowMs),
  });
  poll.start();
  await Promise.all([keyRing.load(), access.load(), poll.ready()]);
  const hasher = createHasher({
    pepper: keyRing.secret('pepper').key,
    children: 1,
    ...(options.hashQueue ?? { capacity: 256, maxWaitSeconds: 60 }),
  });
  const portHasher: PasswordHasher = hasher;
  const authDatabase = createPrismaDatabase(pool, onAfterCommitError, databaseGuard);
  const auth = createAuth(
    {
      sql,
      redis: options.around?.redis?.(redis) ?? redis,
      random,
      vault,
      clock: systemClock,
      revocations,
      keyRing: options.around?.keyRing?.(keyRing) ?? keyRing,
      authDatabase,
    },
    {
      authSecret,
      baseUrl: url,
      ...sessionLifeOf(config),
      corsOrigins: options.trustedOrigins ?? [],
      secureCookies: options.secureCookies ?? false,
    },
  );
  await Promise.all([auth.ready(), hasher.dummyDigest()]);

  const deps: CallbackPorts = {
    transact,
    sql,
    redis,
    clock,
    random,
    vault,
    mailer: { publicUrl: url, wake: () => {} },
    verificationRequired: isVerificationRequired(config),
    sessionsPerAccount: config.identity.sessionsPerAccount,
    log,
    passwordPolicy: passwordPolicyOf(config),
    hasher: options.around?.hasher?.(portHasher) ?? portHasher,
    loginGuard: { locksNetworks: config.limits.profile !== 'load' },
    auth,
    access,
    keyRing: options.around?.keyRing?.(keyRing) ?? keyRing,
    revocations,
    announceRevocations: () => poll.announce(),
    tokenSettings: {
      ...config.tokens,
      issuer: url,
      audience: url,
      twoFactorIdleSeconds: config.identity.twoFactorIdleSeconds,
    },
    socialProviders: createSocialProviders({}, url),
  };

  return {
    databaseUrl: options.databaseUrl,
    redisUrl: options.redisUrl,
    pool,
    redis,
    keyRing,
    access,
    revocations,
    databaseGuard,
    poll,
    hasher,
    deps,
    rows: async (text, values = []) => (await pool.query(text, [...values])).rows,
    close: async () => {
      await poll.close();
      await hasher.close();
      await authDatabase.close();
      await redis.close();
      await Promise.all([pool.end(), pollPool.end()]);
      await rm(marksDir, { recursive: true, force: true });
    },
  };
}
