import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Statement } from '#services/platform/define/statement.ts';
import { createPrismaDatabase } from '#services/platform/postgres/prisma.ts';
import { rowsOf } from '#tools/testing/harness/ports.ts';
import { createTestDatabase } from '#tools/testing/harness/stores.ts';
import { opened } from '#tools/testing/opened.ts';
import type { Sql } from '../ports.ts';
import { readFeed } from '../revocations/revocations.store.ts';
import { recordClientTokens } from '../tokens/issue/client-credentials.store.ts';
import { claimIdempotencyKey, readIdempotencyKey } from '../tokens/issue/idempotency.store.ts';
import {
  familiesEnd,
  familiesEndBySession,
  familyEnd,
  familyEndPrevious,
  familyInsert,
  familyLock,
  sessionLock,
} from '../tokens/refresh/family-life.store.ts';
import { refreshFamilyRotateBatch } from '../tokens/refresh/refresh-families.store.ts';
import {
  insertTokenRevocation,
  readFamilyOwner,
  readRevocationEpoch,
} from '../tokens/revoke/token-revocation.store.ts';
import { deleteSessions, findSessionRow, lockSessions, readOldestUsed, useSession } from './sessions/sessions.store.ts';
import { findCredential } from './users/accounts.store.ts';
import { countFailure, forgiveFailures, readCounters, readTriedNames } from './users/sign-in-failures.store.ts';

const ROWS = 20_000;
/** Tables with at most sixteen rows under any load, where an index saves nothing. */
const TINY = new Set(['feed_state', 'token_totals', 'token_lifetimes', 'oauth_clients']);
const family = (index: number): string => `00000000-0000-7000-8000-${String(index).padStart(12, '0')}`;

const database = opened(createTestDatabase);
const client = opened(() => new pg.Client({ connectionString: database.url }));
const pool = opened(() => new pg.Pool({ connectionString: database.url, max: 1 }));
beforeAll(async () => {
  await client.connect();
  for (const statement of [
    `INSERT INTO users (id, email) SELECT 'u' || i, i || '@example.test' FROM generate_series(1, ${ROWS}) i`,
    `INSERT INTO accounts (id, "accountId", "providerId", "userId", "updatedAt") SELECT 'a' || i, 'u' || i, 'credential', 'u' || i, now() FROM generate_series(1, ${ROWS}) i`,
    `INSERT INTO sessions (id, "userId", "expiresAt", token) SELECT 's' || i, 'u' || i, now() + interval '1 day', 't' || i FROM generate_series(1, ${ROWS}) i`,
    `INSERT INTO legacy_sessions (id, user_id, session_id) SELECT sha256(i::text::bytea), 'u' || i, 's' || i FROM generate_series(1, ${ROWS}) i`,
    `INSERT INTO refresh_families (id, idle_expires_at, expires_at, nonce_hash, kv, prev_kv, client_id, client_bound, sid, user_id,
       user_epoch, client_epoch, scope, audience, auth_time, device)
     SELECT ('00000000-0000-7000-8000-' || lpad(i::text, 12, '0'))::uuid, now() + interval '7 days', now() + interval '30 days',
       sha256('x'), 1, 1, 'sallyport', false, 's' || i, 'u' || i, 0, 0, 'openid', 'a', now(), '{}' FROM generate_series(1, ${ROWS}) i`,
    `INSERT INTO revocations (kind, value, reason, expires_at) SELECT 'jti', 'j' || i, 'test', now() + interval '1 hour' FROM generate_series(1, ${ROWS}) i`,
    `INSERT INTO login_failures (key) SELECT 'account:' || i FROM generate_series(1, ${ROWS}) i`,
    `INSERT INTO idempotency_keys (key_hash, request_hash, expires_at) SELECT sha256(i::text::bytea), sha256('x'), now() + interval '1 day' FROM generate_series(1, ${ROWS}) i`,
    `INSERT INTO roles (name, description) SELECT 'r' || i, '' FROM generate_series(1, ${ROWS / 20}) i`,
    `INSERT INTO role_permissions (role, permission) SELECT 'r' || i, p.name FROM generate_series(1, ${ROWS / 200}) i, permissions p`,
  ])
    await client.query(statement);
  await client.query('ANALYZE');
});

type PlanNode = { readonly 'Node Type': string; readonly 'Relation Name'?: string; readonly Plans?: PlanNode[] };
const seqScansOf = (node: PlanNode): string[] => [
  ...(node['Node Type'] === 'Seq Scan' && !TINY.has(node['Relation Name']!) ? [node['Relation Name']!] : []),
  ...(node.Plans ?? []).flatMap(seqScansOf),
];

/** The generic plan of a prepared statement: table and node for every full table scan. */
async function seqScansOfPlan(text: string): Promise<string[]> {
  const { rows } = await client.query(`EXPLAIN (GENERIC_PLAN, FORMAT JSON) ${text}`);
  return seqScansOf(rows[0]['QUERY PLAN'][0].Plan);
}

/**
 * Tables that this transaction has scanned in full, including inside functions and triggers, whose plans cannot be
 * explained.
 */
async function seqScansDone(): Promise<string[]> {
  await client.query('SET CONSTRAINTS ALL IMMEDIATE');
  const rows = await rowsOf(client)<{ relname: string }>`SELECT relname FROM pg_stat_xact_user_tables
    WHERE seq_scan > 0`;
  return rows.map(({ relname }) => relname).filter((name) => !TINY.has(name));
}

const explained: string[] = [];
/** Explains each statement before it runs. */
const sql: Sql = {
  query: async <R>({ name, text }: Statement, values: readonly unknown[] = []): Promise<R[]> => {
    explained.push(...(await seqScansOfPlan(text)).map((table) => `${name}: Seq Scan on ${table}`));
    return (await client.query({ name, text, values: [...values] })).rows as R[];
  },
};
beforeEach(() => {
  explained.length = 0;
});

/** Runs work in a transaction that is rolled back, with generic plans, and returns the tables scanned in full. */
async function wholeReads(work: () => Promise<unknown>): Promise<string[]> {
  await client.query('BEGIN');
  try {
    await client.query('SET LOCAL plan_cache_mode = force_generic_plan');
    await work();
    return [...explained, ...(await seqScansDone())];
  } finally {
    await client.query('ROLLBACK');
  }
}

const policy = {
  windowSeconds: 900,
  failuresToLock: 5,
  networkFailuresToLock: 50,
  firstLockSeconds: 60,
  longestLockSeconds: 3_600,
};
const newFamily = [
  randomUUID(),
  60,
  60,
  Buffer.alloc(32),
  1,
  'sallyport',
  false,
  null,
  null,
  's7',
  'u7',
  'openid',
  'a',
  1,
  '{}',
  null,
  null,
  null,
  null,
];

describe('the hot statements scan no large table', () => {
  test.each<[string, () => Promise<unknown>]>([
    ['polling the revocation feed', () => readFeed(sql, ROWS - 5)],
    [
      'inserting a revocation',
      () =>
        insertTokenRevocation(sql, { tokenId: 'new', reason: 'test', userId: 'u7', clientId: 'c', expiresAt: null }),
    ],
    ['reading the epoch of a revocation', () => readRevocationEpoch(sql, 'jti', 'j7')],
    ['reading the owner of a token family', () => readFamilyOwner(sql, family(7))],
    ['inserting client tokens', () => recordClientTokens(sql, [], 1, null)],
    ['locking the session of a new token family', () => sql.query(sessionLock, ['s7', 'u7'])],
    ['ending the previous token family of a session', () => sql.query(familyEndPrevious, ['s7', 'sallyport'])],
    [
      'creating a token family',
      async () => {
        await sql.query(familyEndPrevious, ['s7', 'sallyport']);
        await sql.query(familyInsert, newFamily);
      },
    ],
    [
      'ending a token family',
      async () => {
        await sql.query(familyLock, [family(7)]);
        await sql.query(familyEnd, [family(7), 'test']);
      },
    ],
    ['ending the token families of a client', () => sql.query(familiesEnd, [[family(7), family(8)], 'test'])],
    ['ending the token families of a session', () => sql.query(familiesEndBySession, ['s7', 'test', 'u7'])],
    ['reading a session by its id', () => findSessionRow(sql, 's7')],
    ['recording the use of a session', () => useSession(sql, 's7', 3_600)],
    [
      'reading all sessions but the most recently used',
      () => readOldestUsed(sql, 'u7', { except: ['s8'], kept: 99, atOnce: 100 }),
    ],
    [
      'ending those sessions',
      async () => {
        await lockSessions(sql, ['s7', 's8']);
        await deleteSessions(sql, ['s7', 's8']);
      },
    ],
    ['reading the password of an address', () => findCredential(sql, '7@example.test')],
    ['reading the counters of failed sign-ins', () => readCounters(sql, ['account:7', 'network:x'])],
    [
      'counting a failed sign-in',
      () => countFailure(sql, ['account:7', 'network:x'], { accountKey: 'w', userId: 'u7' }, policy),
    ],
    [
      'clearing the counters after a correct password',
      () => forgiveFailures(sql, ['account:7'], ['account:7'], { failuresEver: 100, windowSeconds: 900 }),
    ],
    ['counting the accounts tried from a network', () => readTriedNames(sql, 'network:x', 900)],
    [
      'claiming and reading an idempotency key',
      async () => {
        await claimIdempotencyKey(sql, Buffer.alloc(32, 1), Buffer.alloc(32));
        await readIdempotencyKey(sql, Buffer.alloc(32, 1));
      },
    ],
  ])('%s', async (_title, work) => expect(await wholeReads(work)).toEqual([]));

  test('rotating refresh tokens', async () => expect(await seqScansOfPlan(refreshFamilyRotateBatch.text)).toEqual([]));

  test('reading a session by its token, as Better Auth does if Redis does not have it', async () => {
    const asked: string[] = [];
    const database = createPrismaDatabase(pool, () => {});
    pool.on('connect', (connection) => {
      const real = connection.query.bind(connection) as (...given: unknown[]) => unknown;
      connection.query = ((...given: unknown[]) => {
        const [config] = given as [{ readonly text?: string } | string];
        asked.push(typeof config === 'string' ? config : (config.text ?? ''));
        return real(...given);
      }) as typeof connection.query;
    });
    const prisma = database.client as {
      session: { findFirst(args: object): Promise<{ id: string; user: { id: string } } | null> };
    };
    const found = await prisma.session.findFirst({ where: { token: 't7' }, include: { user: true } });
    expect([found?.id, found?.user.id]).toEqual(['s7', 'u7']);
    const selects = asked.filter((text) => text.startsWith('SELECT') && text.includes('sessions'));
    expect(selects).not.toEqual([]);
    for (const text of selects) expect(await seqScansOfPlan(text)).toEqual([]);
  });

  test('detects a full table scan, in a plan and inside a function', async () => {
    expect(await seqScansOfPlan('SELECT FROM sessions WHERE "userAgent" = $1')).toEqual(['sessions']);
    const inFunction = await wholeReads(() =>
      client.query(`DO $$ BEGIN PERFORM FROM sessions WHERE "userAgent" = 'x'; END $$`),
    );
    expect(inFunction).toEqual(['sessions']);
  });
});
