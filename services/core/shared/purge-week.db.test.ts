import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { insertSession, insertUser } from '#tools/testing/fixtures/families.ts';
import { countTokens } from '../tokens/metadata/token-statistics.store.ts';
import { expiredTables } from './expired-rows-harness.ts';
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
        await ports.raw('DELETE FROM sessions WHERE id = $1', [sessionId]);
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
  }, 240_000);

  test('tables do not grow from week to week', async () => {
    const sizes: Record<string, number[]> = {};
    // An automatic vacuum would shrink some files in some weeks.
    for (const table of expiredTables) await ports.raw(`ALTER TABLE ${table} SET (autovacuum_enabled = false)`);
    for (let week = 0; week < 5; week += 1) {
      await harness.insertExpired(4_000);
      await purgeAtOnce(ports, purges);
      await harness.vacuum(expiredTables);
      for (const table of expiredTables) {
        const [row] = await ports.raw<{ bytes: number }>(
          `SELECT pg_total_relation_size($1::regclass)::float8 AS bytes`,
          [table],
        );
        sizes[table] = [...(sizes[table] ?? []), row!.bytes];
      }
    }
    // Index pages that one vacuum empties can be reused after the next, so the tables grow in the first weeks; without
    // reuse the fifth week would be two and a half times the second.
    for (const [table, bytes] of Object.entries(sizes))
      expect([table, bytes[4]! <= bytes[1]! * 1.5]).toEqual([table, true]);
  }, 240_000);
});
