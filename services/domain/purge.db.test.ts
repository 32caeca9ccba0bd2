import { randomBytes, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { purgeKinds } from '../../observability/metrics/cleanup.ts';
import { registry } from '../../observability/metrics/instruments.ts';
import { createPool } from '../platform/postgres/pool.ts';
import {
  expiredKinds,
  insertExpired as insertRows,
  overdueByKind,
  expiredTables as tables,
} from '../platform/testing/made/expired-rows.ts';
import {
  createFamilyCopy,
  type FamilyCopy,
  insertSession,
  insertUser,
  refreshSecrets,
} from '../platform/testing/made/families.ts';
import { runKillable } from '../platform/testing/processes/killable.ts';
import { type OwnPorts, openTestPorts } from '../platform/testing/stores.ts';
import { sessionPurges } from './identity/session-purges.ts';
import { readSlowestStatementMs } from './purge.store.ts';
import * as gentle from './purge.ts';
import { tokenPurges } from './tokens/clean-up-expired-tokens.ts';
import { countTokens } from './tokens/metadata/token-statistics.store.ts';

const purges = [...tokenPurges, ...sessionPurges];
/** Without rests between batches: nobody but the test is waiting. */
const purge = (...[on, kinds, options]: Parameters<typeof gentle.purge>): Promise<gentle.PurgeResult> =>
  gentle.purge(on, kinds, { pace: { factor: 0, leastMs: 0 }, ...options });

let ports: OwnPorts;
let copy: FamilyCopy;
beforeAll(async () => {
  ports = await openTestPorts();
  const secrets = refreshSecrets(new Map([[1, randomBytes(32)]]), () => 1);
  copy = createFamilyCopy({ url: ports.databaseUrl, secrets, incarnation: randomUUID(), deadlineMs: 60_000 });
});
afterAll(async () => {
  await copy.close();
  await ports?.end();
});
beforeEach(() => ports.raw(`TRUNCATE ${tables.join(', ')}, audit_outbox`));

const countOf = async (table: string): Promise<number> =>
  (await ports.raw<{ n: number }>(`SELECT count(*)::int AS n FROM ${table}`))[0]!.n;

const insertExpired = (count: number): Promise<void> => insertRows(ports.sql, count);

async function login(): Promise<string> {
  const userId = await insertUser(copy.pool);
  return (await copy.create({ userId, sessionId: await insertSession(copy.pool, userId) })).refreshToken;
}

/** Of these the first test keeps a live row. */
const hasLive = new Set<string>([
  'refresh_families',
  'sessions',
  'verifications',
  'login_challenges',
  'login_failures',
  'idempotency_keys',
  'revocations',
]);

describe('what goes', () => {
  test('rows past their time of every kind; live ones stay, and statistics count what went', async () => {
    await insertExpired(2_500);
    const token = await login();
    await ports.raw(
      `INSERT INTO verifications (id, identifier, value, "expiresAt") VALUES ('live', 'x', 'x', now() - interval '59 minutes')`,
    );
    await ports.raw(
      `INSERT INTO idempotency_keys (key_hash, request_hash, expires_at) VALUES ('live', 'x', now() + interval '1 minute')`,
    );
    await ports.raw(
      `INSERT INTO revocations (kind, value, reason, expires_at) VALUES ('jti', 'live', 'x', now() - interval '59 minutes')`,
    );
    await ports.raw(
      `INSERT INTO login_failures (key, failures, last_failed_at, user_id)
       SELECT 'account:live', 1, now() - interval '20 years', id FROM users LIMIT 1`,
    );
    await ports.raw(
      `INSERT INTO login_challenges (hash, user_id, user_epoch, amr, expires_at) VALUES (sha256('live'), 'u1', 0, 'pwd', now())`,
    );
    const before = await countTokens(ports.sql);
    const all = 2_500 * purges.length;
    expect(await purge(ports, purges)).toMatchObject({ picked: all, removed: all, failures: [] });
    for (const table of tables) expect([table, await countOf(table)]).toEqual([table, Number(hasLive.has(table))]);
    expect(await countTokens(ports.sql)).toEqual(before);
    expect((await copy.refresh(token)).verdict).toBe('rotated');
    expect(await purge(ports, purges)).toMatchObject({ picked: 0, removed: 0 });
  });

  test('C-CRD-04, U4 failures are forgotten by what they say: of a network in days, of a name without an account in a month, of an account never', async () => {
    const userId = await insertUser(copy.pool);
    await ports.raw(
      `INSERT INTO login_failures (key, failures, last_failed_at, locked_until, user_id)
       SELECT key, failures, now() - ago, now() - unlocked, CASE WHEN owned THEN $1 END FROM (VALUES
         ('network:gone', 1000, interval '3 days', interval '49 hours', false),
         ('network:never-locked', 99, interval '49 hours', NULL, false),
         ('network:failed-lately', 1000, interval '47 hours', interval '3 days', false),
         ('network:locked-lately', 1000, interval '49 hours', interval '47 hours', false),
         ('account:gone', 19, interval '31 days', interval '31 days', false),
         ('account:failed-lately', 19, interval '29 days', NULL, false),
         ('account:many-gone', 99, interval '31 days', NULL, false),
         ('account:few', 1, interval '31 days', NULL, true),
         ('account:many', 99, interval '20 years', NULL, true),
         ('device:gone', 9, interval '182 days', NULL, true),
         ('device:its-cookie-may-live', 9, interval '180 days', NULL, true)
       ) AS rows (key, failures, ago, unlocked, owned)`,
      [userId],
    );
    expect(await purge(ports, sessionPurges)).toMatchObject({ removed: 5, failures: [] });
    expect(
      (await ports.raw<{ key: string }>('SELECT key FROM login_failures ORDER BY key')).map(({ key }) => key),
    ).toEqual([
      'account:failed-lately',
      'account:few',
      'account:many',
      'device:its-cookie-may-live',
      'network:failed-lately',
      'network:locked-lately',
    ]);
    await ports.raw('DELETE FROM users WHERE id = $1', [userId]);
    expect(await countOf('login_failures'), 'an account takes its counters along').toBe(3);
  });

  test('a session that ran out long ago goes in silence: no revocation, no audit row, no log-out', async () => {
    await insertExpired(1_200);
    const [{ epoch } = { epoch: -1 }] = await ports.raw<{ epoch: number }>(
      'SELECT revocation_epoch AS epoch FROM feed_state',
    );
    await ports.raw('TRUNCATE audit_outbox, revocations');
    await purge(ports, purges);
    expect(await countOf('sessions')).toBe(0);
    expect(await countOf('audit_outbox')).toBe(0);
    expect(await countOf('revocations')).toBe(0);
    expect(await ports.raw('SELECT revocation_epoch AS epoch FROM feed_state')).toEqual([{ epoch }]);
  });

  test.each([
    ['still runs', `interval '-1 hour'`],
    ['ran out while tokens of it may live', `interval '10 minutes'`],
  ])('ending a session that %s is an event and a revocation, as ever', async (_name, ago) => {
    const userId = await insertUser(copy.pool);
    const id = await insertSession(copy.pool, userId);
    await ports.raw(`UPDATE sessions SET "expiresAt" = now() - ${ago} WHERE id = $1`, [id]);
    await purge(ports, purges);
    expect(await countOf('sessions')).toBe(1);
    await ports.raw('DELETE FROM sessions WHERE id = $1', [id]);
    expect(await ports.raw(`SELECT value FROM revocations WHERE kind = 'sid'`)).toEqual([{ value: id }]);
    expect(await ports.raw(`SELECT target_id FROM audit_outbox WHERE type = 'session.ended'`)).toEqual([
      { target_id: id },
    ]);
  });

  test('a session with a login that lives on ends it, however long ago it ran out', async () => {
    const token = await login();
    await ports.raw(`UPDATE sessions SET "expiresAt" = now() - interval '60 days'`);
    await purge(ports, purges);
    expect(await countOf('sessions')).toBe(0);
    await expect(copy.refresh(token)).rejects.toMatchObject({ code: 'session_ended' });
    expect(await countOf('revocations')).toBe(1);
  });
});

describe('in whose company', () => {
  test('a row that somebody holds is left to the next run, and nobody waits for it', async () => {
    await insertExpired(1_500);
    const holder = await copy.pool.connect();
    await holder.query('BEGIN');
    await holder.query(
      `SELECT 1 FROM refresh_families WHERE ctid IN (SELECT ctid FROM refresh_families LIMIT 7) FOR UPDATE`,
    );
    expect(await purge(ports, tokenPurges)).toMatchObject({ failures: [] });
    expect(await countOf('refresh_families')).toBe(7);
    await holder.query('ROLLBACK');
    holder.release();
    expect(await purge(ports, tokenPurges)).toMatchObject({ removed: 7 });
  });

  test('when all rows of a batch are held the run ends', async () => {
    await insertExpired(1_000);
    const holder = await copy.pool.connect();
    await holder.query('BEGIN');
    await holder.query('SELECT 1 FROM refresh_families FOR UPDATE');
    expect(await purge(ports, tokenPurges)).toMatchObject({
      picked: 1_000 * tokenPurges.length,
      removed: 1_000 * (tokenPurges.length - 1),
      failures: [],
    });
    await holder.query('ROLLBACK');
    holder.release();
  });

  test('four runs at once remove every row once', async () => {
    await insertExpired(4_000);
    const before = await countTokens(ports.sql);
    const runs = await Promise.all(Array.from({ length: 4 }, () => purge(ports, purges)));
    await purge(ports, purges);
    expect(runs.flatMap(({ failures }) => failures)).toEqual([]);
    for (const table of tables) expect([table, await countOf(table)]).toEqual([table, 0]);
    expect(await countTokens(ports.sql)).toEqual(before);
  });

  test('while statements of the API take long it waits between batches, and goes on all the same', async () => {
    const pauses = (): number => totalOf('sallyport_cleanup_pauses');
    await insertExpired(2_500);
    const before = pauses();
    const pool = createPool({
      url: ports.databaseUrl,
      connections: 1,
      applicationName: 'sallyport-main',
      connectTimeoutMs: 60_000,
      statementTimeoutMs: 600_000,
      lockTimeoutMs: 600_000,
    });
    const holder = await copy.pool.connect();
    await holder.query('SELECT pg_advisory_lock(190)');
    // A statement of the API that runs for as long as the lock is held: from before the first batch until a pause.
    const slow = pool.query('SELECT pg_advisory_lock(190)');
    let running: Promise<gentle.PurgeResult> | undefined;
    try {
      await expect.poll(() => readSlowestStatementMs(ports.sql), { timeout: 60_000 }).toBeGreaterThan(50);
      running = purge(ports, tokenPurges);
      await expect.poll(pauses, { timeout: 60_000 }).toBeGreaterThan(before);
    } finally {
      await holder.query('SELECT pg_advisory_unlock(190)');
      holder.release();
      await slow;
      await pool.end();
    }
    expect(await running).toMatchObject({ removed: 2_500 * tokenPurges.length });
  }, 180_000);

  test('told to stop, it stops between two batches; what is left is the next run’s', async () => {
    await insertExpired(3_000);
    const stop = new AbortController();
    const stopping = {
      ...ports,
      transact: async <T>(work: Parameters<typeof ports.transact<T>>[0]): Promise<T> => {
        const result = await ports.transact(work);
        stop.abort();
        return result;
      },
    };
    expect(await purge(stopping, purges, { signal: stop.signal })).toMatchObject({ removed: 1_000, failures: [] });
    expect(await purge(ports, purges, { longestMs: -1 })).toMatchObject({ picked: 0 });
    expect(await purge(ports, purges)).toMatchObject({ removed: 3_000 * purges.length - 1_000 });
  });

  test('a kind that fails does not keep the others, and fails the scheduled run', async () => {
    await insertExpired(10);
    await ports.raw(`CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'refused'; END $$`);
    await ports.raw('CREATE TRIGGER refuse BEFORE DELETE ON revocations FOR EACH ROW EXECUTE FUNCTION refuse()');
    try {
      await expect(gentle.purgeOnSchedule(ports, purges, new AbortController().signal)).rejects.toThrow('refused');
      for (const table of tables)
        expect([table, await countOf(table)]).toEqual([table, table === 'revocations' ? 10 : 0]);
    } finally {
      await ports.raw('DROP FUNCTION refuse CASCADE');
    }
  });
});

const totalOf = (name: string): number =>
  registry
    .collect()
    .find((metric) => metric.name === name)
    ?.series.reduce((sum, { value }) => sum + value, 0) ?? 0;

test('killed before or after any statement, nothing is lost from the counts and the next run finishes', async () => {
  await insertExpired(60);
  const before = await countTokens(ports.sql);
  let kills = 0;
  for (const moment of ['before', 'after'] as const)
    for (let statement = 1; ; statement += 1) {
      const killPoint = { statement, moment };
      const answer = await runKillable({ url: ports.databaseUrl, work: 'purge', killPoint });
      if (answer !== null) break;
      kills += 1;
      const counted = await countTokens(ports.sql);
      expect(counted).toEqual(before);
      await purge(ports, purges);
      expect(await countTokens(ports.sql)).toEqual(before);
      for (const table of tables) expect([table, await countOf(table)]).toEqual([table, 0]);
      // As many again, which must be counted as well.
      await insertExpired(60);
      Object.assign(before, await countTokens(ports.sql));
    }
  expect(kills).toBeGreaterThan(8);
}, 300_000);

test('how late it is: 0 with nothing overdue, the age of the oldest row past its time otherwise', async () => {
  const overdueSeconds = async () =>
    Object.fromEntries(
      await Promise.all(
        purges.map(async (each) => [each.kind, Math.round(((await each.readOverdueMs(ports.sql)) ?? 0) / 1_000)]),
      ),
    );
  const inTime = Object.fromEntries(Object.keys(expiredKinds).map((kind) => [kind, 0]));
  expect(await overdueSeconds()).toEqual(inTime);
  await insertExpired(7);
  expect(await overdueSeconds()).toEqual(overdueByKind);
  expect(purgeKinds).toEqual(expect.arrayContaining(Object.keys(await overdueSeconds())));
});

describe('a week of expired rows', () => {
  test('goes while logins are refreshed and ended: no live row is touched, no statement deadlocks, every count holds', async () => {
    await insertExpired(30_000);
    const tokens = await Promise.all(Array.from({ length: 24 }, login));
    const before = await countTokens(ports.sql);
    let isOver = false;
    let rotations = 0;
    let ended = 0;
    // Each client goes on to the end, so that all of the clean-up happens beside it.
    const clients = tokens.map(async (first) => {
      let token = first;
      while (!isOver) {
        const { verdict, refreshToken } = await copy.refresh(token);
        expect(verdict).toBe('rotated');
        token = refreshToken;
        rotations += 1;
      }
    });
    const leaver = (async () => {
      for (; !isOver; ended += 1) {
        const userId = await insertUser(copy.pool);
        const sessionId = await insertSession(copy.pool, userId);
        const { refreshToken } = await copy.create({ userId, sessionId });
        await ports.raw('DELETE FROM sessions WHERE id = $1', [sessionId]);
        await expect(copy.refresh(refreshToken)).rejects.toMatchObject({ code: 'session_ended' });
      }
    })();
    const runs = await Promise.all([purge(ports, purges), purge(ports, purges)]).finally(() => {
      isOver = true;
    });
    await Promise.all([...clients, leaver]);
    expect(runs.flatMap(({ failures }) => failures)).toEqual([]);
    await purge(ports, purges);
    expect(await countOf('refresh_families')).toBe(24 + ended);
    expect(await countOf('refresh_families WHERE revoked_at IS NULL')).toBe(24);
    expect(await countOf('sessions')).toBe(24);
    const after = await countTokens(ports.sql);
    expect(after).toEqual({
      ...before,
      issued: before.issued + ended,
      revoked: before.revoked + ended,
      refreshed: before.refreshed + rotations,
    });
    expect(rotations).toBeGreaterThan(100);
  }, 240_000);

  test('week after week the tables grow no further', async () => {
    const sizes: Record<string, number[]> = {};
    for (let week = 0; week < 5; week += 1) {
      await insertExpired(10_000);
      await purge(ports, purges);
      for (const table of tables) {
        await ports.raw(`VACUUM ${table}`);
        const [row] = await ports.raw<{ bytes: number }>(
          `SELECT pg_total_relation_size($1::regclass)::float8 AS bytes`,
          [table],
        );
        sizes[table] = [...(sizes[table] ?? []), row!.bytes];
      }
    }
    // Index pages that one vacuum empties can be used again after the next, so the first weeks grow; without reuse the
    // fifth would be two and a half times the second.
    for (const [table, bytes] of Object.entries(sizes))
      expect([table, bytes[4]! <= bytes[1]! * 1.5]).toEqual([table, true]);
  }, 240_000);
});
