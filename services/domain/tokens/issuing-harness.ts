// For tests only: tokens issued, refreshed, revoked and judged on real stores, by calls; no HTTP comes in.

import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type pg from 'pg';
import { secondFactorRolesOf } from '#services/platform/config/identity.ts';
import { keyEncryptionKeyOf, loadConfig } from '#services/platform/config/load.ts';
import { systemClock, systemRandom } from '#services/platform/crypto/system.ts';
import { createVault } from '#services/platform/crypto/vault.ts';
import { createFileMarks } from '#services/platform/marks/file-marks.ts';
import { createSql, createTransact } from '#services/platform/postgres/pool.ts';
import type { RedisConnection } from '#services/platform/redis/redis.ts';
import {
  clientCaller,
  connectPatientRedis,
  createPatientPool,
  createTestPorts,
  PATIENCE_MS,
  quietLog,
  testCaller,
} from '#testing/harness/ports.ts';
import { createTestDatabase, testRedisUrl } from '#testing/harness/stores.ts';
import type { Json } from '#testing/http-client.ts';
import { createAccessDirectory } from '../access/access-directory.ts';
import { type CreateClientInput, createClient } from '../access/create-client.ts';
import { createIdentifierHashes } from '../audit/audit-context.ts';
import { ensureKeys } from '../keys/ensure-keys.ts';
import { createKeyRing } from '../keys/key-ring.ts';
import type { HasKeysChanged } from '../keys/rotate-signing-keys.ts';
import type { Caller, Clock, Ports, RequestContext } from '../ports.ts';
import type { HasStepUp } from '../shared/step-up.ts';
import { type ClientTokenPorts, createClientTokenLog } from './issue/issue-client-token.ts';
import type { IssuePorts } from './issue/issue-pair.ts';
import type { RefreshTokenPorts } from './refresh/refresh-token.ts';
import { createRotationBatcher } from './refresh/rotation-batcher.ts';
import { createStateConfirmation, type HasStateConfirmation } from './revocations/confirm-state.ts';
import { createPolledGuard, type PolledGuard } from './revocations/database-guard.ts';
import { createRevocationSet } from './revocations/revocation-set.ts';
import type { RevokePorts } from './revocations/revoke-token.ts';
import { createStatePoll, type StatePoll } from './revocations/state-poll.ts';
import type { ValidatePorts } from './verify/validate-token.ts';
import { createVerifiedTokenCache } from './verify/verified-token-cache.ts';

const URL_OF_ALL = 'http://api.sallyport.test';

type IssuingPorts = IssuePorts &
  Pick<RequestContext, 'hashIdentifier'> &
  RefreshTokenPorts &
  ClientTokenPorts &
  RevokePorts &
  ValidatePorts &
  HasStepUp &
  HasStateConfirmation &
  HasKeysChanged &
  Pick<Ports, 'log' | 'vault' | 'hotSql'> & { readonly databaseGuard: PolledGuard };

/** What one API copy gives the use-cases of tokens. */
export type IssuingCopy = {
  readonly ports: IssuingPorts;
  readonly stores: { readonly pools: { readonly main: pg.Pool }; readonly redis: RedisConnection };
  readonly poll: StatePoll;
};

export type IssuingHarness = IssuingCopy & {
  readonly databaseUrl: string;
  /** One more copy, closed with the harness; on another way to the database, or with a clock that the test moves. */
  copyWith(env?: Readonly<Record<string, string>>, databaseUrl?: string, clock?: Clock): Promise<IssuingCopy>;
  /** A confidential client, known to every copy, as it is once it has proved who it is. */
  newClient(
    credentialScopes?: readonly string[],
    changes?: Partial<CreateClientInput>,
  ): Promise<Caller & { kind: 'client' }>;
  /** Every copy reads roles and clients again. */
  reload(): Promise<unknown>;
  rows(text: string, values?: readonly unknown[]): Promise<Json[]>;
  close(): Promise<void>;
};

type Shared = { readonly authSecret: string; readonly redisUrl: string; readonly marksDir: string };

async function openCopy(
  { authSecret, redisUrl, marksDir }: Shared,
  databaseUrl: string,
  env: Readonly<Record<string, string>>,
  clock: Clock = systemClock,
) {
  const config = loadConfig({ BETTER_AUTH_SECRET: authSecret, ...env });
  const databaseGuard = createPolledGuard();
  const shared = { url: databaseUrl, onLost: databaseGuard.doubt };
  const pools = {
    main: createPatientPool({ ...shared, connections: 8, applicationName: 'test' }),
    hot: createPatientPool({ ...shared, connections: 4, applicationName: 'test-hot', genericPlans: true }),
    poll: createPatientPool({ ...shared, connections: 1, applicationName: 'test-poll' }),
  };
  const redis = await connectPatientRedis(redisUrl);
  const outside = {
    databaseGuard,
    sql: createSql(pools.main, databaseGuard),
    hotSql: createSql(pools.hot),
    transact: createTransact(
      pools.main,
      (err) => {
        throw err;
      },
      databaseGuard,
    ),
    redis,
    clock,
    random: systemRandom,
    vault: createVault(keyEncryptionKeyOf(config, authSecret)),
    log: quietLog,
  };
  const keySettings = { keys: config.keys, tokens: config.tokens, authSecret, audience: URL_OF_ALL };
  await ensureKeys(outside, keySettings, testCaller);
  const keyRing = createKeyRing(outside, config.keys);
  const access = createAccessDirectory(outside, {
    secondFactorRoles: secondFactorRolesOf(config),
    unvetted: config.clients,
  });
  const revocations = createRevocationSet({
    ...outside,
    stalenessBoundMs: PATIENCE_MS,
    budget: config.stores.revocationBudget,
    databaseGuard,
  });
  const poll = createStatePoll({
    ...outside,
    pollSql: createSql(pools.poll),
    marks: createFileMarks(marksDir),
    revocations,
    pollIntervalMs: config.stores.pollIntervalMs,
    onKeysVersion: () => keyRing.load(),
    onAccessVersion: () => access.load(),
    onConfirmed: ({ keysVersion, sentAtMs, databaseNowMs }) => keyRing.confirm(keysVersion, sentAtMs, databaseNowMs),
  });
  poll.start();
  await Promise.all([keyRing.load(), access.load(), poll.ready()]);
  const announceRevocations = (): Promise<void> => poll.announce();
  const tokenSettings = {
    ...config.tokens,
    issuer: URL_OF_ALL,
    audience: URL_OF_ALL,
    twoFactorIdleSeconds: config.identity.twoFactorIdleSeconds,
  };
  const clientTokenLog = createClientTokenLog(outside, config.tokens.groupCommit, PATIENCE_MS);
  const refreshFamilies = createRotationBatcher(
    { ...outside, keyRing, announceRevocations },
    tokenSettings,
    PATIENCE_MS,
  );
  const ports: IssuingPorts = {
    ...outside,
    hashIdentifier: createIdentifierHashes(() => keyRing.secret('identifier')),
    keyRing,
    access,
    revocations,
    announceRevocations,
    confirmState: createStateConfirmation({ ...outside, poll, keyRing, revocations }, PATIENCE_MS),
    tokenSettings,
    keysChanged: async () => {
      await keyRing.load();
      void announceRevocations();
    },
    clientTokenLog,
    refreshFamilies,
    verifiedTokens: createVerifiedTokenCache(134_217_728),
    stepUp: { maxAgeSeconds: config.identity.stepUpSeconds, needsSecondFactor: false, clock },
  };
  const close = async (): Promise<void> => {
    await Promise.all([clientTokenLog.close(), refreshFamilies.close()]);
    await poll.close();
    await redis.close();
    await Promise.all(Object.values(pools).map((pool) => pool.end()));
  };
  return { ports, stores: { pools, redis }, poll, close };
}

/** Opens a harness with one copy, on a database of its own: one per test file. */
export async function openIssuingHarness(env: Readonly<Record<string, string>> = {}): Promise<IssuingHarness> {
  const database = await createTestDatabase();
  const owner = createTestPorts(database.url);
  const shared = {
    authSecret: randomBytes(32).toString('base64url'),
    redisUrl: testRedisUrl(),
    marksDir: await mkdtemp(join(tmpdir(), 'sallyport-marks-')),
  };
  const first = await openCopy(shared, database.url, env);
  const copies = [first];
  const harness: IssuingHarness = {
    ...first,
    databaseUrl: database.url,
    copyWith: async (changes = {}, databaseUrl = database.url, clock = systemClock) => {
      const copy = await openCopy(shared, databaseUrl, { ...env, ...changes }, clock);
      copies.push(copy);
      return copy;
    },
    newClient: async (credentialScopes = [], changes = {}) => {
      const { clientId } = await createClient(
        first.ports,
        {
          name: 'test',
          grantTypes: ['client_credentials', 'refresh_token'],
          scopes: ['openid', 'profile', 'email', 'offline_access'],
          credentialScopes,
          audiences: ['*'],
          ...changes,
        },
        testCaller,
      );
      await harness.reload();
      return clientCaller(clientId, credentialScopes);
    },
    reload: () => Promise.all(copies.map(({ ports }) => ports.access.load())),
    rows: owner.raw,
    close: async () => {
      await Promise.all([...copies.map((copy) => copy.close()), owner.end()]);
      await database.drop();
      await rm(shared.marksDir, { recursive: true, force: true });
    },
  };
  return harness;
}
