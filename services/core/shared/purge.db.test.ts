import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { purgeKinds } from '#observability/metrics/cleanup.ts';
import { insertSession, insertUser } from '#tools/testing/fixtures/families.ts';
import { sessionPurges } from '../identity/admin/identity-purges.ts';
import { countTokens } from '../tokens/metadata/token-statistics.store.ts';
import { expiredKinds, expiredTables, overdueByKind } from './expired-rows-harness.ts';
import { openPurgeHarness, type PurgeHarness, purgeAtOnce, purges } from './purge-harness.ts';

let harness: PurgeHarness;
let ports: PurgeHarness['ports'];
let copy: PurgeHarness['copy'];
beforeAll(async () => {
  harness = await openPurgeHarness();
  ({ ports, copy } = harness);
});
afterAll(() => harness?.close());
beforeEach(() => harness.empty());

/** Kinds of which the first test keeps a live row. */
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
  test('removes expired rows of every kind; live rows stay, and statistics count the removed ones', async () => {
    await harness.insertExpired(2_500);
    const token = await harness.login();
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
    expect(await purgeAtOnce(ports, purges)).toMatchObject({ picked: all, removed: all, failures: [] });
    for (const table of expiredTables)
      expect([table, await harness.countOf(table)]).toEqual([table, Number(hasLive.has(table))]);
    expect(await countTokens(ports.sql)).toEqual(before);
    expect((await copy.refresh(token)).outcome).toBe('rotated');
    expect(await purgeAtOnce(ports, purges)).toMatchObject({ picked: 0, removed: 0 });
  });

  test('failures of a network are kept for days, of a name without an account for a month, of an account until it is deleted', async () => {
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
    expect(await purgeAtOnce(ports, sessionPurges)).toMatchObject({ removed: 5, failures: [] });
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
    expect(await harness.countOf('login_failures'), 'deleting an account deletes its counters').toBe(3);
  });

  test('removing a session that expired long ago writes no revocation, no audit row and no log-out', async () => {
    await harness.insertExpired(1_200);
    const [{ epoch } = { epoch: -1 }] = await ports.raw<{ epoch: number }>(
      'SELECT revocation_epoch AS epoch FROM feed_state',
    );
    await ports.raw('TRUNCATE audit_outbox, revocations');
    await purgeAtOnce(ports, purges);
    expect(await harness.countOf('sessions')).toBe(0);
    expect(await harness.countOf('audit_outbox')).toBe(0);
    expect(await harness.countOf('revocations')).toBe(0);
    expect(await ports.raw('SELECT revocation_epoch AS epoch FROM feed_state')).toEqual([{ epoch }]);
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
    await ports.raw('DELETE FROM sessions WHERE id = $1', [id]);
    expect(await ports.raw(`SELECT value FROM revocations WHERE kind = 'sid'`)).toEqual([{ value: id }]);
    expect(await ports.raw(`SELECT target_id FROM audit_outbox WHERE type = 'session.ended'`)).toEqual([
      { target_id: id },
    ]);
  });

  test('removing an expired session ends a live token family of it, however long ago it expired', async () => {
    const token = await harness.login();
    await ports.raw(`UPDATE sessions SET "expiresAt" = now() - interval '60 days'`);
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
