import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { purgeKinds } from '#observability/metrics/cleanup.ts';
import { registry } from '#observability/metrics/instruments.ts';
import { createPool, createTransact } from '#services/platform/postgres/pool.ts';
import { insertSession, insertUser } from '#tools/testing/fixtures/families.ts';
import { createPatientPool, patient, rowsOf } from '#tools/testing/harness/ports.ts';
import { opened, partOf } from '#tools/testing/opened.ts';
import { killedEverywhere } from '#tools/testing/processes/killable.ts';
import { sessionPurges } from '../identity/admin/identity-purges.ts';
import { tokenPurges } from '../tokens/clean-up-expired-tokens.ts';
import { countTokens } from '../tokens/metadata/token-statistics.store.ts';
import { expiredKinds, expiredTables, overdueByKind } from './expired-rows-harness.ts';
import { readSlowestStatementMs } from './purge.store.ts';
import { type PurgeResult, purgeOnSchedule } from './purge.ts';
import { openPurgeHarness, purgeAtOnce, purges } from './purge-harness.ts';

const harness = opened(() => openPurgeHarness());
const ports = partOf(() => harness.ports);
const copy = partOf(() => harness.copy);
beforeEach(() => harness.empty());

/** Kinds of which the first test keeps a live row. */
const hasLive = new Set<string>(
  'refresh_families sessions verifications login_challenges login_failures idempotency_keys revocations'.split(' '),
);

describe('what goes', () => {
  test('removes expired rows of every kind; live rows stay, and statistics count the removed ones', async () => {
    await harness.insertExpired(2_500);
    const token = await harness.login();
    await ports.raw`INSERT INTO verifications (id, identifier, value, "expiresAt")
      VALUES ('live', 'x', 'x', now() - interval '59 minutes')`;
    await ports.raw`INSERT INTO idempotency_keys (key_hash, request_hash, expires_at)
      VALUES ('live', 'x', now() + interval '1 minute')`;
    await ports.raw`INSERT INTO revocations (kind, value, reason, expires_at)
      VALUES ('jti', 'live', 'x', now() - interval '59 minutes')`;
    await ports.raw`INSERT INTO login_failures (key, failures, last_failed_at, user_id)
      SELECT 'account:live', 1, now() - interval '20 years', id FROM users LIMIT 1`;
    await ports.raw`INSERT INTO login_challenges (hash, user_id, user_epoch, amr, expires_at)
      VALUES (sha256('live'), 'u1', 0, 'pwd', now())`;
    const before = await countTokens(ports.sql);
    const all = 2_500 * purges.length;
    expect(await purgeAtOnce(ports, purges)).toMatchObject({ picked: all, removed: all, failures: [] });
    for (const table of expiredTables)
      expect([table, await harness.countOf(table)]).toEqual([table, Number(hasLive.has(table))]);
    expect(await countTokens(ports.sql)).toEqual(before);
    expect((await copy.refresh(token)).outcome).toBe('rotated');
    expect(await purgeAtOnce(ports, purges)).toMatchObject({ picked: 0, removed: 0 });
  });

  test('failures of a network are kept for days, of a name without an account for a month, of an account until it is deleted', async () => {
    const userId = await insertUser(copy.pool);
    await ports.raw`INSERT INTO login_failures (key, failures, last_failed_at, locked_until, user_id)
      SELECT key, failures, now() - ago, now() - unlocked, CASE WHEN owned THEN ${userId} END FROM (VALUES
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
      ) AS rows (key, failures, ago, unlocked, owned)`;
    expect(await purgeAtOnce(ports, sessionPurges)).toMatchObject({ removed: 5, failures: [] });
    expect(
      (await ports.raw<{ key: string }>`SELECT key FROM login_failures ORDER BY key`).map(({ key }) => key),
    ).toEqual(
      `account:failed-lately account:few account:many device:its-cookie-may-live network:failed-lately
      network:locked-lately`.split(/\s+/),
    );
    await ports.raw`DELETE FROM users WHERE id = ${userId}`;
    expect(await harness.countOf('login_failures'), 'deleting an account deletes its counters').toBe(3);
  });

  test('removing a session that expired long ago writes no revocation, no audit row and no log-out', async () => {
    await harness.insertExpired(1_200);
    const [{ epoch } = { epoch: -1 }] = await ports.raw<{ epoch: number }>`SELECT revocation_epoch AS epoch
      FROM feed_state`;
    await ports.raw`TRUNCATE audit_outbox, revocations`;
    await purgeAtOnce(ports, purges);
    expect(await harness.countOf('sessions')).toBe(0);
    expect(await harness.countOf('audit_outbox')).toBe(0);
    expect(await harness.countOf('revocations')).toBe(0);
    expect(await ports.raw`SELECT revocation_epoch AS epoch FROM feed_state`).toEqual([{ epoch }]);
  });

  test.each([
    ['still runs', `interval '-1 hour'`],
    ['expired while its tokens may still be valid', `interval '10 minutes'`],
  ])('ending a session that %s writes an event and a revocation', async (_name, ago) => {
    const userId = await insertUser(copy.pool);
    const id = await insertSession(copy.pool, userId);
    await ports.raw(`UPDATE sessions SET "expiresAt" = now() - ${ago} WHERE id = $1`, [id]);
    await purgeAtOnce(ports, purges);
    expect(await harness.countOf('sessions')).toBe(1);
    await ports.raw`DELETE FROM sessions WHERE id = ${id}`;
    expect(await ports.raw`SELECT value FROM revocations WHERE kind = 'sid'`).toEqual([{ value: id }]);
    expect(await ports.raw`SELECT target_id FROM audit_outbox WHERE type = 'session.ended'`).toEqual([
      { target_id: id },
    ]);
  });

  test('removing an expired session ends a live token family of it, however long ago it expired', async () => {
    const token = await harness.login();
    await ports.raw`UPDATE sessions SET "expiresAt" = now() - interval '60 days'`;
    await purgeAtOnce(ports, purges);
    expect(await harness.countOf('sessions')).toBe(0);
    await expect(copy.refresh(token)).rejects.toMatchObject({ code: 'session_ended' });
    expect(await harness.countOf('revocations')).toBe(1);
  });
});

test('the reported delay is 0 with nothing overdue, otherwise the age of the oldest expired row', async () => {
  const overdue = () =>
    Promise.all(purges.map(async (each) => [each.kind, await each.readOverdueMs(ports.sql)] as const));
  expect(Object.fromEntries(await overdue())).toEqual(
    Object.fromEntries(Object.keys(expiredKinds).map((kind) => [kind, null])),
  );
  const before = performance.now();
  await harness.insertExpired(7);
  const late = await overdue();
  // Time passes between the insert and the query.
  const tookMs = performance.now() - before;
  expect(late.map(([kind]) => kind).sort()).toEqual(Object.keys(overdueByKind).sort());
  for (const [kind, ms] of late) {
    const sinceMs = (ms ?? Number.NaN) - overdueByKind[kind]! * 1_000;
    expect([kind, sinceMs >= 0 && sinceMs <= tookMs]).toEqual([kind, true]);
  }
  expect(purgeKinds).toEqual(expect.arrayContaining(late.map(([kind]) => kind)));
});

describe('a week of expired rows', () => {
  test('is removed while families are refreshed and revoked: no live row is touched, no statement deadlocks, every count is right', async () => {
    await harness.insertExpired(12_000);
    const tokens = await Promise.all(Array.from({ length: 24 }, harness.login));
    const before = await countTokens(ports.sql);
    let isOver = false;
    let rotations = 0;
    let ended = 0;
    // Each client continues until the end, so that the whole purge runs beside it.
    const clients = tokens.map(async (first) => {
      let token = first;
      while (!isOver) {
        const { outcome, refresh_token: refreshToken } = await copy.refresh(token);
        expect(outcome).toBe('rotated');
        token = refreshToken;
        rotations += 1;
      }
    });
    const leaver = (async () => {
      for (; !isOver; ended += 1) {
        const userId = await insertUser(copy.pool);
        const sessionId = await insertSession(copy.pool, userId);
        const { refresh_token: refreshToken } = await copy.create({ user_id: userId, session_id: sessionId });
        await ports.raw`DELETE FROM sessions WHERE id = ${sessionId}`;
        await expect(copy.refresh(refreshToken)).rejects.toMatchObject({ code: 'session_ended' });
      }
    })();
    const runs = await Promise.all([purgeAtOnce(ports, purges), purgeAtOnce(ports, purges)]).finally(() => {
      isOver = true;
    });
    await Promise.all([...clients, leaver]);
    expect(runs.flatMap(({ failures }) => failures)).toEqual([]);
    await purgeAtOnce(ports, purges);
    expect(await harness.countOf('refresh_families')).toBe(24 + ended);
    expect(await harness.countOf('refresh_families WHERE revoked_at IS NULL')).toBe(24);
    expect(await harness.countOf('sessions')).toBe(24);
    const after = await countTokens(ports.sql);
    expect(after).toEqual({
      ...before,
      issued: before.issued + ended,
      revoked: before.revoked + ended,
      refreshed: before.refreshed + rotations,
    });
    expect(rotations).toBeGreaterThan(100);
  });

  test('tables do not grow from week to week', async () => {
    const sizes: Record<string, number[]> = {};
    // An automatic vacuum would shrink some files in some weeks.
    for (const table of expiredTables) await ports.raw(`ALTER TABLE ${table} SET (autovacuum_enabled = false)`);
    for (let week = 0; week < 5; week += 1) {
      await harness.insertExpired(4_000);
      await purgeAtOnce(ports, purges);
      await harness.vacuum(expiredTables);
      for (const table of expiredTables) {
        const [row] = await ports.raw<{ bytes: number }>`
          SELECT pg_total_relation_size(${table}::regclass)::float8 AS bytes`;
        sizes[table] = [...(sizes[table] ?? []), row!.bytes];
      }
    }
    // Index pages that one vacuum empties can be reused after the next, so the tables grow in the first weeks; without
    // reuse the fifth week would be two and a half times the second.
    for (const [table, bytes] of Object.entries(sizes))
      expect([table, bytes[4]! <= bytes[1]! * 1.5]).toEqual([table, true]);
  });
});

const totalOf = (name: string): number =>
  registry
    .collect()
    .find((metric) => metric.name === name)
    ?.series.reduce((sum, { value }) => sum + value, 0) ?? 0;

describe('beside other transactions', () => {
  test('a locked row is left to the next run without waiting', async () => {
    await harness.insertExpired(1_500);
    const holder = await copy.pool.connect();
    await holder.query('BEGIN');
    await rowsOf(holder)`SELECT 1 FROM refresh_families
      WHERE ctid IN (SELECT ctid FROM refresh_families LIMIT 7) FOR UPDATE`;
    expect(await purgeAtOnce(ports, tokenPurges)).toMatchObject({ failures: [] });
    expect(await harness.countOf('refresh_families')).toBe(7);
    await holder.query('ROLLBACK');
    holder.release();
    expect(await purgeAtOnce(ports, tokenPurges)).toMatchObject({ removed: 7 });
  });

  test('the run ends when all rows of a batch are locked', async () => {
    await harness.insertExpired(1_000);
    const holder = await copy.pool.connect();
    await holder.query('BEGIN');
    await holder.query('SELECT 1 FROM refresh_families FOR UPDATE');
    expect(await purgeAtOnce(ports, tokenPurges)).toMatchObject({
      picked: 1_000 * tokenPurges.length,
      removed: 1_000 * (tokenPurges.length - 1),
      failures: [],
    });
    await holder.query('ROLLBACK');
    holder.release();
  });

  test('four concurrent runs remove every row once', async () => {
    await harness.insertExpired(4_000);
    const before = await countTokens(ports.sql);
    const runs = await Promise.all(Array.from({ length: 4 }, () => purgeAtOnce(ports, purges)));
    await purgeAtOnce(ports, purges);
    expect(runs.flatMap(({ failures }) => failures)).toEqual([]);
    for (const table of expiredTables) expect([table, await harness.countOf(table)]).toEqual([table, 0]);
    expect(await countTokens(ports.sql)).toEqual(before);
  });

  test('waits between batches while statements of the API are slow, and continues afterwards', async () => {
    // As a worker runs it: in a role that does not see the state of other sessions.
    const workers = createPool({
      ...patient,
      url: ports.databaseUrl,
      connections: 2,
      applicationName: 'test',
      role: 'sallyport_worker',
    });
    const worker = { ...ports, transact: createTransact(workers, () => {}) };
    const pauses = (): number => totalOf('sallyport_cleanup_pauses');
    await harness.insertExpired(2_500);
    const before = pauses();
    const pool = createPatientPool({ url: ports.databaseUrl, connections: 1, applicationName: 'sallyport-main' });
    const holder = await copy.pool.connect();
    await holder.query('SELECT pg_advisory_lock(190)');
    // A statement of the API that runs as long as the lock is held: from before the first batch until a pause.
    const slow = pool.query('SELECT pg_advisory_lock(190)');
    let running: Promise<PurgeResult> | undefined;
    try {
      await expect.poll(() => readSlowestStatementMs(worker), { timeout: 60_000 }).toBeGreaterThan(50);
      running = purgeAtOnce(worker, tokenPurges);
      await expect.poll(pauses, { timeout: 60_000 }).toBeGreaterThan(before);
    } finally {
      await holder.query('SELECT pg_advisory_unlock(190)');
      holder.release();
      await slow;
      await pool.end();
    }
    expect(await running).toMatchObject({ removed: 2_500 * tokenPurges.length });
    await workers.end();
  });

  test('an abort stops it between two batches; the next run removes the rest', async () => {
    await harness.insertExpired(3_000);
    const stop = new AbortController();
    const stopping = {
      ...ports,
      transact: async <T>(work: Parameters<typeof ports.transact<T>>[0]): Promise<T> => {
        const result = await ports.transact(work);
        stop.abort();
        return result;
      },
    };
    expect(await purgeAtOnce(stopping, purges, { signal: stop.signal })).toMatchObject({
      removed: 1_000,
      failures: [],
    });
    expect(await purgeAtOnce(ports, purges, { longestMs: -1 })).toMatchObject({ picked: 0 });
    expect(await purgeAtOnce(ports, purges)).toMatchObject({ removed: 3_000 * purges.length - 1_000 });
  });

  test('a kind that fails does not stop the others, and fails the scheduled run', async () => {
    await harness.insertExpired(10);
    await ports.raw`CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'refused'; END $$`;
    await ports.raw`CREATE TRIGGER refuse BEFORE DELETE ON revocations FOR EACH ROW EXECUTE FUNCTION refuse()`;
    onTestFinished(async () => void (await ports.raw`DROP FUNCTION refuse CASCADE`));
    await expect(purgeOnSchedule(ports, purges, new AbortController().signal)).rejects.toThrow('refused');
    for (const table of expiredTables)
      expect([table, await harness.countOf(table)]).toEqual([table, table === 'revocations' ? 10 : 0]);
  });
});

test('a kill before or after any statement loses no counts, and the next run finishes', async () => {
  let kills = 0;
  for await (const { run } of killedEverywhere({ url: ports.databaseUrl, work: 'purge' })) {
    // The same number each time, which must be counted too.
    await purgeAtOnce(ports, purges);
    await harness.insertExpired(60);
    const before = await countTokens(ports.sql);
    if ((await run()) !== null) continue;
    kills += 1;
    const counted = await countTokens(ports.sql);
    expect(counted).toEqual(before);
    await purgeAtOnce(ports, purges);
    expect(await countTokens(ports.sql)).toEqual(before);
    for (const table of expiredTables) expect([table, await harness.countOf(table)]).toEqual([table, 0]);
  }
  expect(kills).toBeGreaterThan(5);
});
