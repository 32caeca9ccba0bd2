import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Sql } from '#services/core/ports.ts';
import { systemClock } from '#services/platform/crypto/system.ts';
import { type FamilyCopy, publicClient } from '#tools/testing/fixtures/families.ts';
import { PATIENCE_MS, patient } from '#tools/testing/harness/ports.ts';
import type { CreatedFamily } from './create-family.ts';
import {
  type ContentionHarness,
  openContentionHarness,
  settings as patientSettings,
} from './family-contention-harness.ts';
import { outcome } from './family-harness.ts';

let harness: ContentionHarness;
let copy: FamilyCopy;
let strict: FamilyCopy;
beforeAll(async () => {
  harness = await openContentionHarness();
  ({ copy, strict } = harness);
});
afterAll(() => harness?.close());

describe('a blocked or invalid member of a batch', () => {
  test('a blocked family is 503 at its deadline; the other 63 rotate, and it rotates when its lock is released', async () => {
    let passedMs = 0;
    const busy = harness.copyWith({ clock: { ...systemClock, monotonic: () => passedMs } });
    const families = await Promise.all(Array.from({ length: 64 }, () => harness.newFamily()));
    const blocked = families[20] as CreatedFamily;
    const a = await harness.openTransaction();
    await a.client.query('SELECT 1 FROM refresh_families WHERE id = $1 FOR NO KEY UPDATE', [blocked.family_id]);
    const outcomes = families.map((family) => outcome(busy, family.refresh_token));
    const [refused] = outcomes.splice(20, 1);
    expect(await Promise.all(outcomes)).toEqual(Array(63).fill('rotated'));
    passedMs = PATIENCE_MS;
    expect(await refused).toBe('store_unavailable');
    await a.end('ROLLBACK');
    // Its last attempt may have succeeded after the refusal; either way the retry gets the same successor.
    expect((await busy.refresh(blocked.refresh_token)).refresh_token).toBe(harness.successor(blocked.refresh_token));
    expect(await harness.generationOf(blocked.family_id)).toBe(1);
  });

  test('a family that is unlocked within the deadline rotates, and later requests do not wait for it', async () => {
    const busy = harness.copyWith();
    const [blocked, free, late] = [await harness.newFamily(), await harness.newFamily(), await harness.newFamily()];
    const a = await harness.openTransaction();
    await a.client.query('SELECT 1 FROM refresh_families WHERE id = $1 FOR NO KEY UPDATE', [blocked.family_id]);
    const first = outcome(busy, blocked.refresh_token);
    expect(await outcome(busy, free.refresh_token)).toBe('rotated');
    expect(await outcome(busy, late.refresh_token)).toBe('rotated');
    await a.end('ROLLBACK');
    expect(await first).toBe('rotated');
  });

  test('a value that Postgres refuses fails only its own request', async () => {
    const busy = harness.copyWith();
    const families = await Promise.all(Array.from({ length: 10 }, () => harness.newFamily()));
    const submit = (family: CreatedFamily, over: object) =>
      busy.ports.refreshFamilies.submit({ ...harness.presentedOf(family.refresh_token), ...over });
    const bad: Record<number, object> = { 3: { ipHash: 'a\0b' }, 6: { generation: 3e9 } };
    const settled = await Promise.allSettled(families.map((family, index) => submit(family, bad[index] ?? {})));
    for (const [index, result] of settled.entries()) {
      if (index in bad) expect(result.status).toBe('rejected');
      else expect(result).toMatchObject({ status: 'fulfilled', value: { outcome: 'rotated' } });
    }
  });
});

describe('a lost answer of the database', () => {
  /** Fails the first statement as a lost connection would: after its commit, or before it is sent. */
  const losing =
    (when: 'before' | 'after') =>
    (sql: Sql): Sql => {
      let lost = false;
      return {
        query: async (statement, values) => {
          if (lost) return sql.query(statement, values);
          lost = true;
          if (when === 'after') await sql.query(statement, values);
          throw new Error('Connection terminated unexpectedly');
        },
      };
    };

  test('a committed rotation is repeated once and returns the same successor', async () => {
    const { family_id: familyId, refresh_token: refreshToken } = await harness.newFamily();
    const answer = await harness.copyWith({ around: losing('after') }).refresh(refreshToken);
    expect(answer).toMatchObject({ outcome: 'grace', refresh_token: harness.successor(refreshToken) });
    expect(await harness.generationOf(familyId)).toBe(1);
  });

  test('a rotation that did not reach the database is repeated once and rotates', async () => {
    const { refresh_token: refreshToken } = await harness.newFamily();
    expect(await outcome(harness.copyWith({ around: losing('before') }), refreshToken)).toBe('rotated');
  });

  test('without grace it is not repeated but 503, so that the committed rotation is not taken for a replay', async () => {
    const by = { ...publicClient, jkt: 'thumb' };
    const settings = { ...patientSettings, graceSeconds: 0 };
    const { family_id: familyId, refresh_token: refreshToken } = await harness.newFamily({ jkt: 'thumb' }, strict);
    expect(await outcome(harness.copyWith({ around: losing('after'), settings }), refreshToken, by)).toBe(
      'store_unavailable',
    );
    const { rows } = await copy.pool.query('SELECT generation, revoked_at FROM refresh_families WHERE id = $1', [
      familyId,
    ]);
    expect(rows).toEqual([{ generation: 1, revoked_at: null }]);
    expect(await outcome(strict, harness.successor(refreshToken), by)).toBe('rotated');
  });

  test('it is not repeated if the grace window may close before the repetition arrives', async () => {
    const settings = { ...patientSettings, graceSeconds: 2 };
    const { refresh_token: refreshToken } = await harness.newFamily();
    expect(await outcome(harness.copyWith({ around: losing('after'), settings }), refreshToken)).toBe(
      'store_unavailable',
    );
    expect(await outcome(copy, refreshToken)).toBe('grace');
  });

  test('a backend that is killed while its statement waits ends no family', async () => {
    const busy = harness.copyWith(patient);
    const families = [await harness.newFamily(), await harness.newFamily()];
    const a = await harness.openTransaction();
    await a.client.query('SELECT 1 FROM refresh_families WHERE id = $1 FOR NO KEY UPDATE', [families[0]?.family_id]);
    const b = Promise.all(families.map((family) => outcome(busy, family.refresh_token)));
    await harness.waiters(1);
    await copy.pool.query(
      `SELECT pg_terminate_backend(pid, ${PATIENCE_MS}) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
    );
    await harness.waiters(1);
    await a.end('ROLLBACK');
    expect(await b).toEqual(['rotated', 'rotated']);
  });
});
