import { randomBytes, randomUUID } from 'node:crypto';
import type pg from 'pg';
import type { Caller, Clock, Log, Sql } from '../../../domain/ports.ts';
import {
  type CreatedFamily,
  type CreateFamilyPorts,
  createFamily,
  type NewFamily,
} from '../../../domain/tokens/families/create-family.ts';
import type { CheckedRefreshToken, RefreshSecrets } from '../../../domain/tokens/families/refresh-token-format.ts';
import { createRefreshFamilies, type RefreshFamilySettings } from '../../../domain/tokens/families/rotate-families.ts';
import {
  checkPresented,
  type PresentedBy,
  type RotatedFamily,
  rotateFamily,
} from '../../../domain/tokens/families/rotate-family.ts';
import { createPolledGuard } from '../../../domain/tokens/revocations/database-guard.ts';
import { systemClock, systemRandom } from '../../crypto/system.ts';
import { createPool, createSql, createTransact } from '../../postgres/pool.ts';
import { createPatientPool, PATIENCE_MS, patient } from '../patient-stores.ts';
import { quietLog } from '../quiet-log.ts';

type FamilySecrets = RefreshSecrets & { state(): { readonly clockOffsetMs: number } };

/** Server keys by version, as the key ring would hold them; the database has our clock. */
export function refreshSecrets(keys: ReadonlyMap<number, Buffer>, newest: () => number): FamilySecrets {
  return {
    state: () => ({ clockOffsetMs: 0 }),
    secret: () => ({ version: newest(), key: keys.get(newest()) as Buffer }),
    secretVersion: (_purpose, version) => keys.get(version),
  };
}

export const callerFrom = (ip: string): Caller => ({
  kind: 'anonymous',
  request: { ip, userAgent: 'test/1', traceId: '', traceparent: '' },
});

export const refreshSettings: RefreshFamilySettings & CreateFamilyPorts['tokenSettings'] = {
  graceSeconds: 10,
  graceUses: 100,
  lostAnswerSeconds: 120,
  enableReplayProtection: true,
  refreshTokenSeconds: 604_800,
  twoFactorIdleSeconds: 3_600,
  refreshAbsoluteSeconds: 2_592_000,
  groupCommit: true,
};

export type FamilyCopyOptions = {
  readonly url: string;
  readonly applicationName?: string;
  readonly secrets: FamilySecrets;
  readonly incarnation: string;
  readonly settings?: typeof refreshSettings;
  readonly clock?: Clock;
  readonly log?: Log;
  /** Of the hot statements; unless said, no busy machine changes a verdict. */
  readonly statementTimeoutMs?: number;
  readonly lockTimeoutMs?: number;
  readonly deadlineMs?: number;
  /** Stands between the group commit and its pool. */
  readonly around?: (hotSql: Sql) => Sql;
};

/** One API copy as far as refresh tokens go: its own pools and group commit. */
export type FamilyCopy = {
  readonly pool: pg.Pool;
  readonly hotPool: pg.Pool;
  readonly ports: Parameters<typeof rotateFamily>[0];
  /** Statements sent by the hot pool. */
  statements(): number;
  announced(): number;
  create(family: Partial<NewFamily> & { readonly userId: string }, caller?: Caller): Promise<CreatedFamily>;
  check(refreshToken: string, presentedBy?: PresentedBy): Promise<CheckedRefreshToken>;
  refresh(refreshToken: string, presentedBy?: PresentedBy, caller?: Caller): Promise<RotatedFamily>;
  close(): Promise<void>;
};

export const publicClient: PresentedBy = { clientId: null, isAuthenticated: false };

export function createFamilyCopy(options: FamilyCopyOptions): FamilyCopy {
  const settings = options.settings ?? refreshSettings;
  const shared = { url: options.url, applicationName: options.applicationName ?? 'test' };
  const pool = createPatientPool({ ...shared, connections: 4 });
  const { statementTimeoutMs = PATIENCE_MS, lockTimeoutMs = PATIENCE_MS, deadlineMs = PATIENCE_MS } = options;
  const deadlines = { ...patient, statementTimeoutMs, lockTimeoutMs };
  const hotPool = createPool({ ...shared, ...deadlines, connections: 8, genericPlans: true });
  const transact = createTransact(pool, (err) => {
    throw err;
  });
  const hotSql = (options.around ?? ((sql) => sql))(createSql(hotPool));
  let statements = 0;
  let announced = 0;
  const common = {
    keyRing: options.secrets,
    revocations: {
      state: () => ({ incarnation: options.incarnation }),
      check: () => null,
      issuingRefusal: () => null,
    },
    databaseGuard: createPolledGuard(),
  };
  const refreshFamilies = createRefreshFamilies(
    {
      ...common,
      hotSql: {
        query: (statement, values) => {
          statements += 1;
          return hotSql.query(statement, values);
        },
      },
      clock: options.clock ?? systemClock,
      log: options.log ?? quietLog,
      announceRevocations: () => {
        announced += 1;
      },
    },
    settings,
    deadlineMs,
  );
  // Its secrets are all there are.
  const ports = { ...common, refreshFamilies, confirmState: async () => true };
  const copy: FamilyCopy = {
    pool,
    hotPool,
    ports,
    statements: () => statements,
    announced: () => announced,
    create: (family, caller = callerFrom('192.0.2.1')) =>
      transact((tx) =>
        createFamily(
          tx,
          { ...common, random: systemRandom, tokenSettings: settings },
          {
            sessionId: null,
            clientId: 'sallyport',
            isClientBound: false,
            scope: 'openid profile',
            audience: 'https://api.example.test',
            authTime: 1_700_000_000,
            ...family,
          },
          caller,
        ),
      ),
    check: (refreshToken, presentedBy = publicClient) => checkPresented(ports, { refreshToken, presentedBy }),
    refresh: async (refreshToken, presentedBy = publicClient, caller = callerFrom('192.0.2.1')) =>
      rotateFamily(ports, await copy.check(refreshToken, presentedBy), presentedBy, caller),
    close: async () => {
      await refreshFamilies.close();
      await Promise.all([pool.end(), hotPool.end()]);
    },
  };
  return copy;
}

/** A user of a test's own. */
export async function insertUser(pool: pg.Pool, id: string = randomUUID()): Promise<string> {
  await pool.query('INSERT INTO users (id, email) VALUES ($1, $2)', [id, `${id}@example.test`]);
  return id;
}

export async function insertSession(pool: pg.Pool, userId: string): Promise<string> {
  const id = randomUUID();
  await pool.query(
    `INSERT INTO sessions (id, "userId", "expiresAt", token) VALUES ($1, $2, now() + interval '40 days', $3)`,
    [id, userId, randomBytes(16).toString('hex')],
  );
  return id;
}
