import { randomBytes, randomUUID } from 'node:crypto';
import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { isAppError } from '../../../platform/define/error.ts';
import {
  createFamilyCopy,
  type FamilyCopy,
  insertUser,
  publicClient,
  refreshSecrets,
  refreshSettings,
} from '../../../platform/testing/made/families.ts';
import { createTestDatabase, type TestDatabase } from '../../../platform/testing/stores.ts';
import type { Sql } from '../../ports.ts';
import type { CreatedFamily, NewFamily } from './create-family.ts';
import { rotateBatch } from './family.store.ts';
import { type CheckedRefreshToken, checkRefreshToken, mintRefreshToken } from './refresh-token-format.ts';

const incarnation = randomUUID();
const keys = new Map([[1, randomBytes(32)]]);
const secrets = refreshSecrets(keys, () => 1);
let database: TestDatabase;
let copy: FamilyCopy;
let strict: FamilyCopy;
const copies: FamilyCopy[] = [];
type Options = Parameters<typeof createFamilyCopy>[0];
const copyWith = (options: Partial<Options> = {}): FamilyCopy => {
  const made = createFamilyCopy({ url: database.url, secrets, incarnation, deadlineMs: 30_000, ...options });
  copies.push(made);
  return made;
};
beforeAll(async () => {
  database = await createTestDatabase();
  // Patient: what is tested is what the statement sees after its wait, not how long it waits.
  copy = copyWith({ lockTimeoutMs: 20_000, statementTimeoutMs: 20_000, deadlineMs: 20_000 });
  strict = copyWith({
    lockTimeoutMs: 20_000,
    statementTimeoutMs: 20_000,
    deadlineMs: 20_000,
    settings: { ...refreshSettings, graceSeconds: 0 },
  });
});
afterAll(async () => {
  await Promise.all(copies.map((each) => each.close()));
  await database.drop();
});

const newFamily = async (family: Partial<NewFamily> = {}, at = copy): Promise<CreatedFamily> =>
  at.create({ userId: await insertUser(copy.pool), ...family });
const outcome = (at: FamilyCopy, token: string, by = publicClient): Promise<string> =>
  at.refresh(token, by).then(
    (answer) => answer.verdict,
    (err: unknown) => (isAppError(err) ? err.code : String(err)),
  );
const checked = (token: string): CheckedRefreshToken =>
  checkRefreshToken(token, [''], secrets, incarnation) as CheckedRefreshToken;
const successor = (token: string): string => {
  const parts = checked(token);
  return mintRefreshToken(keys.get(1) as Buffer, incarnation, { ...parts, generation: parts.generation + 1 }, '');
};
const generationOf = async (familyId: string): Promise<number> =>
  (await copy.pool.query('SELECT generation FROM refresh_families WHERE id = $1', [familyId])).rows[0].generation;

/** A transaction of another copy, held open by the test. */
async function openTransaction(): Promise<{
  client: pg.PoolClient;
  sql: Sql;
  end(how: 'COMMIT' | 'ROLLBACK'): Promise<void>;
}> {
  const client = await copy.pool.connect();
  await client.query('BEGIN');
  return {
    client,
    sql: { query: async (statement, values = []) => (await client.query(statement.text, [...values])).rows },
    end: async (how) => {
      await client.query(how);
      client.release();
    },
  };
}
/** As its holder presents it, who names no client. */
const presentedOf = (token: string) => {
  const { familyBytes, generation, kv, nonceHash } = checked(token);
  return {
    familyBytes,
    generation,
    kv,
    nonceHash,
    isClientBound: false,
    clientId: null,
    isClientAuthenticated: false,
    ipHash: null,
    agentHash: null,
    traceparent: null,
  };
};
const rotateIn = async (sql: Sql, token: string): Promise<string | undefined> => {
  const presented = { ...presentedOf(token), notAfterMs: Date.now() + 60_000 };
  const policy = {
    graceSeconds: 10,
    graceUses: 100,
    endsOnReplay: true,
    idleSeconds: 600,
    twoFactorIdleSeconds: 600,
    newestKv: 1,
  };
  return (await rotateBatch(sql, [presented], policy))[0]?.verdict;
};
/** Resolves once as many statements as given wait for a lock in this database. */
const waiters = (count: number): Promise<void> =>
  expect
    .poll(
      async () =>
        (
          await copy.pool.query(
            `SELECT count(*)::int FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
          )
        ).rows[0].count,
      { interval: 5, timeout: 10_000 },
    )
    .toBe(count);

describe('a request that waits for the row judges what it finds then', () => {
  test('A rotated: B gets the same successor', async () => {
    const { refreshToken } = await newFamily();
    const a = await openTransaction();
    expect(await rotateIn(a.sql, refreshToken)).toBe('rotated');
    const b = copy.refresh(refreshToken);
    await waiters(1);
    await a.end('COMMIT');
    expect(await b).toMatchObject({ verdict: 'grace', refreshToken: successor(refreshToken) });
  });

  test('A rolled back: B rotates', async () => {
    const { familyId, refreshToken } = await newFamily();
    const a = await openTransaction();
    expect(await rotateIn(a.sql, refreshToken)).toBe('rotated');
    const b = copy.refresh(refreshToken);
    await waiters(1);
    await a.end('ROLLBACK');
    expect(await b).toMatchObject({ verdict: 'rotated' });
    expect(await generationOf(familyId)).toBe(1);
  });

  test('A rotated twice: B is a replay', async () => {
    const { refreshToken } = await newFamily();
    const a = await openTransaction();
    await rotateIn(a.sql, refreshToken);
    expect(await rotateIn(a.sql, successor(refreshToken))).toBe('rotated');
    const b = outcome(copy, refreshToken);
    await waiters(1);
    await a.end('COMMIT');
    expect(await b).toBe('refresh_token_reused');
  });

  test('A ended the family: B is refused', async () => {
    const { familyId, refreshToken } = await newFamily();
    const a = await openTransaction();
    await a.client.query(`UPDATE refresh_families SET revoked_at = now(), revoke_reason = 'sign_out' WHERE id = $1`, [
      familyId,
    ]);
    const b = outcome(copy, refreshToken);
    await waiters(1);
    await a.end('COMMIT');
    expect(await b).toBe('session_ended');
    expect(await generationOf(familyId)).toBe(0);
  });

  test('A deleted the row: B is refused', async () => {
    const { familyId, refreshToken } = await newFamily();
    const a = await openTransaction();
    await a.client.query('DELETE FROM refresh_families WHERE id = $1', [familyId]);
    const b = outcome(copy, refreshToken);
    await waiters(1);
    await a.end('COMMIT');
    expect(await b).toBe('refresh_token_invalid');
  });

  test('without grace, A rotated: B is a replay', async () => {
    const { refreshToken } = await newFamily({ jkt: 'thumb' }, strict);
    const a = await openTransaction();
    await a.client.query('UPDATE refresh_families SET generation = 1, rotated_at = now() WHERE id = $1', [
      (await copy.pool.query(`SELECT id FROM refresh_families WHERE jkt = 'thumb'`)).rows[0].id,
    ]);
    const b = outcome(strict, refreshToken, { ...publicClient, jkt: 'thumb' } as typeof publicClient);
    await waiters(1);
    await a.end('COMMIT');
    expect(await b).toBe('refresh_token_reused');
  });

  test('A rotated g1: the batch g1, g2, g1 of B is grace, rotated, grace', async () => {
    const { familyId, refreshToken: g1 } = await newFamily();
    const a = await openTransaction();
    await rotateIn(a.sql, g1);
    const b = Promise.all([g1, successor(g1), g1].map((token) => outcome(copy, token)));
    await waiters(1);
    await a.end('COMMIT');
    expect(await b).toEqual(['grace', 'rotated', 'grace']);
    expect(await generationOf(familyId)).toBe(2);
  });

  test('A ends every family of a user while B rotates one: B first, then none is left', async () => {
    const userId = await insertUser(copy.pool);
    const families = [await copy.create({ userId }), await copy.create({ userId })];
    const held = await openTransaction();
    const first = families[0] as CreatedFamily;
    expect(await rotateIn(held.sql, first.refreshToken)).toBe('rotated');
    const ended = copy.pool.query(`UPDATE users SET "tokenEpoch" = "tokenEpoch" + 1 WHERE id = $1`, [userId]);
    await waiters(1);
    await held.end('COMMIT');
    await ended;
    for (const family of families) {
      expect(await outcome(copy, family.refreshToken)).toBe('session_ended');
      expect(await outcome(copy, successor(family.refreshToken))).toBe('session_ended');
    }
  });
});

describe('locks', () => {
  test('are taken in id order, whatever the order of the requests', async () => {
    const [low, high] = [await newFamily(), await newFamily()];
    expect(low.familyId < high.familyId).toBe(true);
    const a = await openTransaction();
    await a.client.query('SELECT 1 FROM refresh_families WHERE id = $1 FOR NO KEY UPDATE', [low.familyId]);
    const b = Promise.all([high, low].map((family) => outcome(copy, family.refreshToken)));
    await waiters(1);
    // B waits for the lower id and holds nothing above it.
    await a.client.query('SELECT 1 FROM refresh_families WHERE id = $1 FOR NO KEY UPDATE NOWAIT', [high.familyId]);
    await a.end('COMMIT');
    expect(await b).toEqual(['rotated', 'rotated']);
  });

  test('overlapping batches in opposite order and ends of all families of a user never deadlock', async () => {
    const userId = await insertUser(copy.pool);
    const families = await Promise.all(Array.from({ length: 40 }, () => copy.create({ userId })));
    const far = copyWith({ lockTimeoutMs: 20_000, statementTimeoutMs: 20_000, deadlineMs: 20_000 });
    const backwards = [...families].reverse();
    for (let round = 0; round < 15; round += 1) {
      const end =
        round === 14
          ? [copy.pool.query(`UPDATE users SET "tokenEpoch" = "tokenEpoch" + 1 WHERE id = $1`, [userId])]
          : [];
      const outcomes = await Promise.all([
        ...families.map((family) => outcome(copy, family.refreshToken)),
        ...backwards.map((family) => outcome(far, family.refreshToken)),
        ...end,
      ]);
      expect(outcomes.filter((each) => each === 'store_unavailable')).toEqual([]);
      if (round === 0) expect(outcomes.filter((each) => each === 'rotated')).toHaveLength(40);
    }
    const { rows } = await copy.pool.query(
      'SELECT deadlocks::int FROM pg_stat_database WHERE datname = current_database()',
    );
    expect(rows[0].deadlocks).toBe(0);
  });
});

describe('a member at fault', () => {
  test('a blocked family is 503 at its deadline; its 63 neighbours rotate, and it rotates once it is free', async () => {
    const busy = copyWith({ deadlineMs: 4_000 });
    const families = await Promise.all(Array.from({ length: 64 }, () => newFamily()));
    const blocked = families[20] as CreatedFamily;
    const a = await openTransaction();
    await a.client.query('SELECT 1 FROM refresh_families WHERE id = $1 FOR NO KEY UPDATE', [blocked.familyId]);
    const outcomes = await Promise.all(families.map((family) => outcome(busy, family.refreshToken)));
    expect(outcomes[20]).toBe('store_unavailable');
    expect(outcomes.filter((each) => each === 'rotated')).toHaveLength(63);
    await a.end('ROLLBACK');
    // Its last attempt may have gone through after the refusal: the retry finds the same successor either way.
    expect((await busy.refresh(blocked.refreshToken)).refreshToken).toBe(successor(blocked.refreshToken));
    expect(await generationOf(blocked.familyId)).toBe(1);
  });

  test('a family freed within the deadline rotates, and those who came later did not wait for it', async () => {
    const busy = copyWith({ deadlineMs: 20_000 });
    const [blocked, free, late] = [await newFamily(), await newFamily(), await newFamily()];
    const a = await openTransaction();
    await a.client.query('SELECT 1 FROM refresh_families WHERE id = $1 FOR NO KEY UPDATE', [blocked.familyId]);
    const first = outcome(busy, blocked.refreshToken);
    expect(await outcome(busy, free.refreshToken)).toBe('rotated');
    expect(await outcome(busy, late.refreshToken)).toBe('rotated');
    await a.end('ROLLBACK');
    expect(await first).toBe('rotated');
  });

  test('a value Postgres refuses fails alone', async () => {
    const busy = copyWith();
    const families = await Promise.all(Array.from({ length: 10 }, () => newFamily()));
    const submit = (family: CreatedFamily, over: object) =>
      busy.ports.refreshFamilies.submit({ ...presentedOf(family.refreshToken), ...over });
    const bad: Record<number, object> = { 3: { ipHash: 'a\0b' }, 6: { generation: 3e9 } };
    const settled = await Promise.allSettled(families.map((family, index) => submit(family, bad[index] ?? {})));
    for (const [index, result] of settled.entries()) {
      if (index in bad) expect(result.status).toBe('rejected');
      else expect(result).toMatchObject({ status: 'fulfilled', value: { verdict: 'rotated' } });
    }
  });
});

describe('an answer that never came', () => {
  /** Loses the answer to the first statement after it has committed, or before it is sent. */
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

  test('a committed rotation is sent once more and answers with the same successor', async () => {
    const { familyId, refreshToken } = await newFamily();
    const answer = await copyWith({ around: losing('after') }).refresh(refreshToken);
    expect(answer).toMatchObject({ verdict: 'grace', refreshToken: successor(refreshToken) });
    expect(await generationOf(familyId)).toBe(1);
  });

  test('a rotation that never arrived is sent once more and rotates', async () => {
    const { refreshToken } = await newFamily();
    expect(await outcome(copyWith({ around: losing('before') }), refreshToken)).toBe('rotated');
  });

  test('without grace it is not repeated: 503, and the committed rotation is no replay', async () => {
    const by = { ...publicClient, jkt: 'thumb' };
    const settings = { ...refreshSettings, graceSeconds: 0 };
    const { familyId, refreshToken } = await newFamily({ jkt: 'thumb' }, strict);
    expect(await outcome(copyWith({ around: losing('after'), settings }), refreshToken, by)).toBe('store_unavailable');
    const { rows } = await copy.pool.query('SELECT generation, revoked_at FROM refresh_families WHERE id = $1', [
      familyId,
    ]);
    expect(rows).toEqual([{ generation: 1, revoked_at: null }]);
    expect(await outcome(strict, successor(refreshToken), by)).toBe('rotated');
  });

  test('a grace window that may close before a repetition arrives is not relied on', async () => {
    const settings = { ...refreshSettings, graceSeconds: 2 };
    const { refreshToken } = await newFamily();
    expect(await outcome(copyWith({ around: losing('after'), settings }), refreshToken)).toBe('store_unavailable');
    expect(await outcome(copy, refreshToken)).toBe('grace');
  });

  test('a backend that is killed while its statement waits costs no one the login', async () => {
    const busy = copyWith({ lockTimeoutMs: 20_000, statementTimeoutMs: 20_000, deadlineMs: 20_000 });
    const families = [await newFamily(), await newFamily()];
    const a = await openTransaction();
    await a.client.query('SELECT 1 FROM refresh_families WHERE id = $1 FOR NO KEY UPDATE', [families[0]?.familyId]);
    const b = Promise.all(families.map((family) => outcome(busy, family.refreshToken)));
    await waiters(1);
    await copy.pool.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
    );
    await waiters(1);
    await a.end('ROLLBACK');
    expect(await b).toEqual(['rotated', 'rotated']);
  });
});
