// For tests only: the use cases of users on real stores, called directly; no HTTP comes in.
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type pg from 'pg';
import type { ClientSettings } from '#services/platform/config/clients.ts';
import { isVerificationRequired } from '#services/platform/config/identity.ts';
import { createFileMarks } from '#services/platform/marks/file-marks.ts';
import type { Json } from '../http-client.ts';
import { type Copy, type CopyOptions, openCopy } from './copy.ts';
import { createTestDatabase, testRedisUrl } from './stores.ts';

export type PeopleOptions = Partial<Omit<CopyOptions, 'marks' | 'databaseUrl' | 'redisUrl' | 'change'>> & {
  readonly secureCookies?: boolean;
  readonly trustedOrigins?: readonly string[];
  /** What clients may do that nobody vetted. */
  readonly clients?: ClientSettings;
};
export type PeopleHarnessOptions = PeopleOptions & Pick<CopyOptions, 'databaseUrl' | 'redisUrl'>;

type Ports = Copy['ports'];

/** What an API copy gives the use cases of users. */
export type PeopleHarness = Pick<Copy, 'poll' | 'hasher'> &
  Pick<Ports, 'keyRing' | 'access' | 'revocations' | 'databaseGuard'> & {
    readonly databaseUrl: string;
    readonly redisUrl: string;
    readonly pool: pg.Pool;
    readonly redis: Ports['redis'];
    readonly deps: Ports;
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
  const { secureCookies = false, trustedOrigins = [], clients, ...given } = options;
  const marksDir = await mkdtemp(join(tmpdir(), 'sallyport-marks-'));
  const copy = await openCopy({
    authSecret: randomBytes(32).toString('base64url'),
    ...given,
    marks: createFileMarks(marksDir),
    change: (config) => ({
      ...config,
      clients: clients ?? config.clients,
      identity: { ...config.identity, requireEmailVerification: isVerificationRequired(config) },
      server: {
        ...config.server,
        corsOrigins: [...trustedOrigins],
        profile: secureCookies ? 'production' : config.server.profile,
      },
    }),
  });
  await copy.ready();
  const { ports, stores, poll, hasher } = copy;
  const pool = stores.pools.main;
  return {
    databaseUrl: options.databaseUrl,
    redisUrl: options.redisUrl,
    pool,
    redis: stores.redis,
    keyRing: ports.keyRing,
    access: ports.access,
    revocations: ports.revocations,
    databaseGuard: stores.databaseGuard,
    poll,
    hasher,
    deps: ports,
    rows: async (text, values = []) => (await pool.query(text, [...values])).rows,
    close: async () => {
      await copy.close();
      await rm(marksDir, { recursive: true, force: true });
    },
  };
}
