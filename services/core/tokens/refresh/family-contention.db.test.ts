import { describe, expect, test } from 'vitest';
import type { Sql } from '#services/core/ports.ts';
import { systemClock } from '#services/platform/crypto/system.ts';
import { insertUser, publicClient } from '#tools/testing/fixtures/families.ts';
import { PATIENCE_MS, patient, rowsOf } from '#tools/testing/harness/ports.ts';
import { opened, partOf } from '#tools/testing/opened.ts';
import type { CreatedFamily } from './create-family.ts';
import { openContentionHarness, settings as patientSettings } from './family-contention-harness.ts';
import { outcome } from './family-harness.ts';
import { rotateBatch } from './refresh-families.store.ts';

const harness = opened(() => openContentionHarness());
const copy = partOf(() => harness.copy);
const strict = partOf(() => harness.strict);

const rotateIn = async (sql: Sql, token: string, notAfterMs = Date.now() + 60_000): Promise<string | undefined> => {
  const presented = { ...harness.presentedOf(token), notAfterMs };
  const policy = {
    graceSeconds: 10,
    graceUses: 100,
    lostAnswerSeconds: 0,
    endsOnReplay: true,
    idleSeconds: 600,
    twoFactorIdleSeconds: 600,
    newestKv: 1,
  };
  return (await rotateBatch(sql, [presented], policy, null))[0]?.outcome;
};

describe('request B decides by the row as it is after its wait for transaction A', () => {
  test('A rotated: B gets the same successor', async () => {
    const { refresh_token: refreshToken } = await harness.newFamily();
    const a = await harness.openTransaction();
    expect(await rotateIn(a.sql, refreshToken)).toBe('rotated');
    const b = copy.refresh(refreshToken);
    await harness.waiters(1);
    await a.end('COMMIT');
    expect(await b).toMatchObject({ outcome: 'grace', refresh_token: harness.successor(refreshToken) });
  });

  test('A rolled back: B rotates', async () => {
    const { family_id: familyId, refresh_token: refreshToken } = await harness.newFamily();
    const a = await harness.openTransaction();
    expect(await rotateIn(a.sql, refreshToken)).toBe('rotated');
    const b = copy.refresh(refreshToken);
    await harness.waiters(1);
    await a.end('ROLLBACK');
    expect(await b).toMatchObject({ outcome: 'rotated' });
    expect(await harness.generationOf(familyId)).toBe(1);
  });

  test('A rotated twice: B is a replay', async () => {
    const { refresh_token: refreshToken } = await harness.newFamily();
    const a = await harness.openTransaction();
    await rotateIn(a.sql, refreshToken);
    expect(await rotateIn(a.sql, harness.successor(refreshToken))).toBe('rotated');
    const b = outcome(copy, refreshToken);
    await harness.waiters(1);
    await a.end('COMMIT');
    expect(await b).toBe('refresh_token_reused');
  });

  test('B began before its deadline and goes on after it: it changes nothing', async () => {
    const { family_id: familyId, refresh_token: refreshToken } = await harness.newFamily();
    const b = await harness.openTransaction();
    // The first message of B arrives, which sets its now(); the rest of it comes late.
    const [begun] = (await b.client.query(`SELECT now() AS at`)).rows;
    await copy.refresh((await copy.refresh(refreshToken)).refresh_token);
    await b.client.query('SELECT pg_sleep(0.05)');
    expect(await rotateIn(b.sql, refreshToken, begun.at.getTime() + 20)).toBe('late');
    await b.end('COMMIT');
    expect(await harness.generationOf(familyId)).toBe(2);
    expect(await outcome(copy, harness.successor(harness.successor(refreshToken)))).toBe('rotated');
  });

  test('A ended the family: B is refused', async () => {
    const { family_id: familyId, refresh_token: refreshToken } = await harness.newFamily();
    const a = await harness.openTransaction();
    await rowsOf(a.client)`UPDATE refresh_families SET revoked_at = now(), revoke_reason = 'sign_out'
      WHERE id = ${familyId}`;
    const b = outcome(copy, refreshToken);
    await harness.waiters(1);
    await a.end('COMMIT');
    expect(await b).toBe('session_ended');
    expect(await harness.generationOf(familyId)).toBe(0);
  });

  test('A deleted the row: B is refused', async () => {
    const { family_id: familyId, refresh_token: refreshToken } = await harness.newFamily();
    const a = await harness.openTransaction();
    await a.client.query('DELETE FROM refresh_families WHERE id = $1', [familyId]);
    const b = outcome(copy, refreshToken);
    await harness.waiters(1);
    await a.end('COMMIT');
    expect(await b).toBe('refresh_token_invalid');
  });

  test('without grace, A rotated: B is a replay', async () => {
    const { refresh_token: refreshToken } = await harness.newFamily({ jkt: 'thumb' }, strict);
    const a = await harness.openTransaction();
    await rowsOf(a.client)`UPDATE refresh_families SET generation = 1, rotated_at = now()
      WHERE id = ${(await copy.pool.query(`SELECT id FROM refresh_families WHERE jkt = 'thumb'`)).rows[0].id}`;
    const b = outcome(strict, refreshToken, { ...publicClient, jkt: 'thumb' } as typeof publicClient);
    await harness.waiters(1);
    await a.end('COMMIT');
    expect(await b).toBe('refresh_token_reused');
  });

  test('A rotated g1: the batch g1, g2, g1 of B is grace, rotated, grace', async () => {
    const { family_id: familyId, refresh_token: g1 } = await harness.newFamily();
    const a = await harness.openTransaction();
    await rotateIn(a.sql, g1);
    const b = Promise.all([g1, harness.successor(g1), g1].map((token) => outcome(copy, token)));
    await harness.waiters(1);
    await a.end('COMMIT');
    expect(await b).toEqual(['grace', 'rotated', 'grace']);
    expect(await harness.generationOf(familyId)).toBe(2);
  });

  test('A ends every family of a user while B rotates one: B rotates first, and afterwards every family has ended', async () => {
    const userId = await insertUser(copy.pool);
    const families = [await copy.create({ user_id: userId }), await copy.create({ user_id: userId })];
    const held = await harness.openTransaction();
    const first = families[0] as CreatedFamily;
    expect(await rotateIn(held.sql, first.refresh_token)).toBe('rotated');
    const ended = copy.pool.query(`UPDATE users SET "tokenEpoch" = "tokenEpoch" + 1 WHERE id = $1`, [userId]);
    await harness.waiters(1);
    await held.end('COMMIT');
    await ended;
    for (const family of families) {
      expect(await outcome(copy, family.refresh_token)).toBe('session_ended');
      expect(await outcome(copy, harness.successor(family.refresh_token))).toBe('session_ended');
    }
  });
});

describe('locks', () => {
  test('are taken in id order, whatever the order of the requests', async () => {
    const [low, high] = [await harness.newFamily(), await harness.newFamily()];
    expect(low.family_id < high.family_id).toBe(true);
    const a = await harness.openTransaction();
    await a.client.query('SELECT 1 FROM refresh_families WHERE id = $1 FOR NO KEY UPDATE', [low.family_id]);
    const b = Promise.all([high, low].map((family) => outcome(copy, family.refresh_token)));
    await harness.waiters(1);
    // B waits for the lower id and has locked no higher one.
    await a.client.query('SELECT 1 FROM refresh_families WHERE id = $1 FOR NO KEY UPDATE NOWAIT', [high.family_id]);
    await a.end('COMMIT');
    expect(await b).toEqual(['rotated', 'rotated']);
  });

  test('overlapping batches in opposite order never deadlock, also while all families of a user are ended', async () => {
    const userId = await insertUser(copy.pool);
    const families = await Promise.all(Array.from({ length: 40 }, () => copy.create({ user_id: userId })));
    const far = harness.copyWith(patient);
    const backwards = [...families].reverse();
    for (let round = 0; round < 15; round += 1) {
      const end =
        round === 14
          ? [copy.pool.query(`UPDATE users SET "tokenEpoch" = "tokenEpoch" + 1 WHERE id = $1`, [userId])]
          : [];
      const outcomes = await Promise.all([
        ...families.map((family) => outcome(copy, family.refresh_token)),
        ...backwards.map((family) => outcome(far, family.refresh_token)),
        ...end,
      ]);
      expect(outcomes.filter((each) => each === 'store_unavailable')).toEqual([]);
      if (round === 0) expect(outcomes.filter((each) => each === 'rotated')).toHaveLength(40);
    }
    const rows = await rowsOf(copy.pool)`SELECT deadlocks::int FROM pg_stat_database
      WHERE datname = current_database()`;
    expect(rows[0]!.deadlocks).toBe(0);
  });
});

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
    const rows = await rowsOf(copy.pool)`SELECT generation, revoked_at FROM refresh_families WHERE id = ${familyId}`;
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
