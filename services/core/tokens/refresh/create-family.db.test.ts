import { randomUUID } from 'node:crypto';
import { beforeAll, describe, expect, test } from 'vitest';
import type { Caller, Transact } from '#services/core/ports.ts';
import { systemRandom } from '#services/platform/crypto/system.ts';
import { createSql, createTransact } from '#services/platform/postgres/pool.ts';
import {
  callerFrom,
  type FamilyCopy,
  insertSession,
  insertUser,
  refreshSettings,
} from '#tools/testing/fixtures/families.ts';
import { clientCaller, PATIENCE_MS, rowsOf } from '#tools/testing/harness/ports.ts';
import type { Json } from '#tools/testing/http-client.ts';
import { opened } from '#tools/testing/opened.ts';
import { outcomeOf } from '#tools/testing/outcome.ts';
import { createFamily, type NewFamily } from './create-family.ts';
import { endFamiliesOfClient, endFamiliesOfSession, endFamiliesOfUser, endFamily } from './end-family.ts';
import { next, openFamilyHarness } from './family-harness.ts';
import { type ReadRefreshTokenPorts, readRefreshToken } from './read-refresh-token.ts';
import { checkRefreshToken } from './refresh-token-format.ts';

/** A caller that may end any family. */
const operator: Caller = {
  ...clientCaller('operator', ['tokens:revoke']),
  request: callerFrom('192.0.2.1').request,
};

/** Creates and ends token families on one database, and reads the rows that this writes. */
async function openFamilySessionHarness() {
  const harness = await openFamilyHarness();
  const copy = harness.copyWith();
  const { pool } = copy;
  const rows = rowsOf<Json>(pool);
  return {
    ...harness,
    copy,
    transact: createTransact(pool, (err) => {
      throw err;
    }),
    /** Creates a family of a new session, and of a new user unless one is given. */
    login: async (family: Partial<NewFamily> = {}) => {
      const userId = family.user_id ?? (await insertUser(pool));
      const sessionId = await insertSession(pool, userId);
      return { userId, sessionId, ...(await copy.create({ user_id: userId, session_id: sessionId, ...family })) };
    },
    /** `ok`, or the code of the refusal. */
    refreshed: (token: string) => outcomeOf(copy.refresh(token)),
    /** Every event with this target, in order. */
    eventsOf: (targetId: string) =>
      rows`SELECT type, outcome, actor_kind, actor_id, client_id, detail FROM audit_outbox
        WHERE target_id = ${targetId} ORDER BY id`,
    /** Every revocation of this value, whatever its kind. */
    endsOf: (value: string) =>
      rows`SELECT kind, reason, token_epoch FROM revocations WHERE value = ${value} ORDER BY id`,
  };
}

const harness = opened(openFamilySessionHarness);
let copy: FamilyCopy;
let transact: Transact;
beforeAll(async () => {
  ({ copy, transact } = harness);
});

/** Tolerance: a row's times are later than the begin of its transaction by as much as the machine needs. */
function expectLife(from: Date, until: Date, seconds: number): void {
  const missingMs = seconds * 1_000 - (Number(until) - Number(from));
  expect(missingMs).toBeGreaterThanOrEqual(0);
  expect(missingMs).toBeLessThan(PATIENCE_MS);
}

describe('a new family', () => {
  test('with two factors has the idle limit of its session, also after each refresh; any other has the idle limit of refresh tokens', async () => {
    const userId = await insertUser(copy.pool);
    const sessionId = await insertSession(copy.pool, userId);
    await copy.pool.query(`UPDATE sessions SET acr = 'aal2' WHERE id = $1`, [sessionId]);
    const proved = await copy.create({ user_id: userId, session_id: sessionId });
    const plain = await harness.login();
    const batch = await Promise.all([proved, plain].map((row) => copy.refresh(row.refresh_token)));
    const { twoFactorIdleSeconds, refreshTokenSeconds } = refreshSettings;
    expect(proved.refresh_expires_in_seconds).toBe(twoFactorIdleSeconds);
    expect(batch).toMatchObject([
      { outcome: 'rotated', acr: 'aal2', refresh_expires_in_seconds: twoFactorIdleSeconds },
      { outcome: 'rotated', acr: 'aal1', refresh_expires_in_seconds: refreshTokenSeconds },
    ]);
    const row = await harness.rowOf(proved.family_id);
    expectLife(row.rotated_at, row.idle_expires_at, twoFactorIdleSeconds);
    await rowsOf(copy.pool)`UPDATE refresh_families SET idle_expires_at = now() - make_interval(secs => 1)
      WHERE id = ${proved.family_id}`;
    await expect(copy.refresh(batch[0]!.refresh_token)).rejects.toMatchObject({ code: 'refresh_token_expired' });
  });

  test('is one row with an audit row, and its refresh token matches the row', async () => {
    const { userId, sessionId, ...made } = await harness.login({ device: { name: 'a phone' } });
    const { family_id: familyId, refresh_token: refreshToken, ...created } = made;
    expect(created).toEqual({
      generation: 0,
      refresh_expires_in_seconds: refreshSettings.refreshTokenSeconds,
      email: `${userId}@example.test`,
      is_email_verified: false,
      roles: ['user'],
      user_epoch: 0,
      client_epoch: 0,
      amr: '',
      acr: 'aal1',
      rights_limit: null,
      access_version: expect.any(Number),
    });
    expect(checkRefreshToken(refreshToken, [''], harness.secrets, harness.incarnation)).not.toBeNull();
    const row = await harness.rowOf(familyId);
    expect(row).toMatchObject({ generation: 0, sid: sessionId, user_id: userId, device: { name: 'a phone' }, kv: 1 });
    expectLife(row.created_at, row.idle_expires_at, refreshSettings.refreshTokenSeconds);
    expectLife(row.created_at, row.expires_at, refreshSettings.refreshAbsoluteSeconds);
    expect(await harness.eventsOf(familyId)).toMatchObject([
      {
        type: 'token.family_created',
        outcome: 'ok',
        client_id: 'sallyport',
        detail: { user_id: userId, session_id: sessionId },
      },
    ]);
  });

  test('never outlives its session', async () => {
    const userId = await insertUser(copy.pool);
    const sessionId = await insertSession(copy.pool, userId);
    await copy.pool.query(`UPDATE sessions SET "expiresAt" = now() + interval '90 seconds' WHERE id = $1`, [sessionId]);
    const created = await copy.create({ user_id: userId, session_id: sessionId });
    expect(created.refresh_expires_in_seconds).toBeLessThanOrEqual(90);
    const rows = await rowsOf(copy.pool)<{ capped: boolean }>`
      SELECT f.expires_at <= s."expiresAt" AND f.idle_expires_at <= f.expires_at AS capped
      FROM refresh_families f JOIN sessions s ON s.id = f.sid WHERE f.id = ${created.family_id}`;
    expect(rows).toEqual([{ capped: true }]);
  });

  test('stores nothing from which a refresh token could be made', async () => {
    const { family_id: familyId, refresh_token: refreshToken } = await harness.login();
    const parts = checkRefreshToken(refreshToken, [''], harness.secrets, harness.incarnation);
    const rows = await rowsOf(copy.pool)`SELECT to_jsonb(f)::text AS text FROM refresh_families f
      WHERE id = ${familyId}`;
    expect(rows[0]!.text).not.toContain((parts as { nonce: Buffer }).nonce.toString('hex'));
    for (const part of refreshToken.split('.').slice(3)) expect(rows[0]!.text).not.toContain(part);
  });

  test('ends the previous family of the same session and client, but not its access tokens', async () => {
    const first = await harness.login();
    const second = await copy.create({ user_id: first.userId, session_id: first.sessionId });
    expect(await harness.refreshed(first.refresh_token)).toBe('session_ended');
    expect(await harness.refreshed(second.refresh_token)).toBe('ok');
    expect(await harness.rowOf(first.family_id)).toMatchObject({ revoke_reason: 'superseded' });
    expect((await harness.eventsOf(first.family_id)).filter((row) => row.type === 'token.family_ended')).toMatchObject([
      { detail: { reason: 'superseded' } },
    ]);
    expect(await harness.endsOf(first.family_id)).toEqual([]);
  });

  test('of many created concurrently for a session and client, one stays live', async () => {
    const userId = await insertUser(copy.pool);
    const sessionId = await insertSession(copy.pool, userId);
    const families = await Promise.all([1, 2, 3, 4].map(() => copy.create({ user_id: userId, session_id: sessionId })));
    const rows = await rowsOf(copy.pool)`SELECT id FROM refresh_families
      WHERE sid = ${sessionId} AND revoked_at IS NULL`;
    expect(rows).toHaveLength(1);
    expect(families.map((family) => family.family_id)).toContain(rows[0]!.id);
  });

  test('is not created for a session that is deleted, expired or another user’s', async () => {
    const userId = await insertUser(copy.pool);
    const foreign = await insertSession(copy.pool, await insertUser(copy.pool));
    const expired = await insertSession(copy.pool, userId);
    await copy.pool.query(`UPDATE sessions SET "expiresAt" = now() - interval '1 second' WHERE id = $1`, [expired]);
    for (const sessionId of [randomUUID(), foreign, expired])
      expect(await outcomeOf(copy.create({ user_id: userId, session_id: sessionId }))).toBe('session_ended');
    const { rows } = await copy.pool.query('SELECT 1 FROM refresh_families WHERE user_id = $1', [userId]);
    expect(rows).toEqual([]);
  });

  test('is not created for a user or client that is deleted or disabled', async () => {
    const disabled = await insertUser(copy.pool);
    await copy.pool.query(`UPDATE users SET "disabledAt" = now() WHERE id = $1`, [disabled]);
    const userId = await insertUser(copy.pool);
    const clientId = randomUUID();
    await copy.pool.query(`INSERT INTO oauth_clients (id, "clientId", disabled) VALUES ($1, $1, true)`, [clientId]);
    for (const family of [
      { user_id: disabled },
      { user_id: 'unknown' },
      { user_id: userId, client_id: clientId },
      { user_id: userId, client_id: 'none' },
    ])
      expect(await outcomeOf(copy.create(family))).toBe('session_ended');
  });

  test('does not outlive a session that ends during its creation', async () => {
    const userId = await insertUser(copy.pool);
    const sessionId = await insertSession(copy.pool, userId);
    const client = await copy.pool.connect();
    await client.query('BEGIN');
    await client.query('DELETE FROM sessions WHERE id = $1', [sessionId]);
    const family = outcomeOf(copy.create({ user_id: userId, session_id: sessionId }));
    await expect
      .poll(
        async () =>
          (
            await copy.pool.query(
              `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
            )
          ).rowCount,
      )
      .toBe(1);
    await client.query('COMMIT');
    client.release();
    expect(await family).toBe('session_ended');
  });

  test('that is created while its user’s tokens are revoked is refused at its first refresh', async () => {
    const userId = await insertUser(copy.pool);
    const ports = { ...copy.ports, random: systemRandom, tokenSettings: refreshSettings };
    const family = await transact(async (tx) => {
      const created = await createFamily(
        tx,
        ports,
        {
          user_id: userId,
          session_id: null,
          client_id: 'sallyport',
          is_client_bound: false,
          scope: 'openid',
          audience: 'a',
          auth_time: 1,
        },
        operator,
      );
      // The revocation ends only committed families, and this one is not committed yet.
      await copy.pool.query(`UPDATE users SET "tokenEpoch" = "tokenEpoch" + 1 WHERE id = $1`, [userId]);
      return created;
    });
    expect(await harness.rowOf(family.family_id)).toMatchObject({ revoked_at: null, user_epoch: 0 });
    expect(await harness.refreshed(family.refresh_token)).toBe('session_ended');
  });

  test('never outlives its absolute expiry, even if the idle limit is longer', async () => {
    const brief = harness.copyWith({ refreshAbsoluteSeconds: 60 });
    const family = await brief.create({ user_id: await insertUser(copy.pool) });
    expect(family.refresh_expires_in_seconds).toBe(60);
    const row = await harness.rowOf(family.family_id);
    expect(row.idle_expires_at).toEqual(row.expires_at);
  });

  test('leaves no row when its transaction fails', async () => {
    const userId = await insertUser(copy.pool);
    const client = await copy.pool.connect();
    await rowsOf(client)`
      ALTER TABLE audit_outbox ADD CONSTRAINT refuse_families CHECK (type <> $$token.family_created$$) NOT VALID`;
    await outcomeOf(copy.create({ user_id: userId }));
    await client.query('ALTER TABLE audit_outbox DROP CONSTRAINT refuse_families');
    client.release();
    expect((await copy.pool.query('SELECT 1 FROM refresh_families WHERE user_id = $1', [userId])).rows).toEqual([]);
  });
});

describe('ending', () => {
  test('a family also revokes its access tokens, and the audit event has actor and reason', async () => {
    const family = await harness.login();
    const other = await harness.login({ user_id: family.userId });
    const ended = await transact((tx) => endFamily(tx, family.family_id, 'lost phone', operator));
    expect(ended).toEqual({ user_id: family.userId, client_id: 'sallyport', session_id: family.sessionId });
    expect(await harness.refreshed(family.refresh_token)).toBe('session_ended');
    expect(await harness.refreshed(other.refresh_token)).toBe('ok');
    expect(await harness.endsOf(family.family_id)).toEqual([
      { kind: 'family', reason: 'lost phone', token_epoch: null },
    ]);
    expect((await harness.eventsOf(family.family_id)).filter((row) => row.type === 'token.family_ended')).toMatchObject(
      [{ actor_kind: 'client', actor_id: 'operator', detail: { reason: 'lost phone', user_id: family.userId } }],
    );
  });

  test('an ended family keeps its first reason; a replaced family loses its access tokens too', async () => {
    const family = await harness.login();
    await copy.create({ user_id: family.userId, session_id: family.sessionId });
    for (const reason of ['first', 'second']) await transact((tx) => endFamily(tx, family.family_id, reason, operator));
    expect(await harness.rowOf(family.family_id)).toMatchObject({ revoke_reason: 'superseded' });
    expect(await harness.endsOf(family.family_id)).toMatchObject([{ reason: 'first' }]);
  });

  test('an unknown family changes nothing', async () => {
    const id = randomUUID();
    expect(await transact((tx) => endFamily(tx, id, 'x', operator))).toBeNull();
    expect(await harness.endsOf(id)).toEqual([]);
    expect(await harness.eventsOf(id)).toEqual([]);
  });

  test('the families of a session ends them all and revokes the session’s tokens', async () => {
    const clientId = randomUUID();
    await copy.pool.query(`INSERT INTO oauth_clients (id, "clientId") VALUES ($1, $1)`, [clientId]);
    const { userId, sessionId, refresh_token: refreshToken } = await harness.login();
    const second = await copy.create({ user_id: userId, session_id: sessionId, client_id: clientId });
    const other = await harness.login({ user_id: userId });
    expect(await transact((tx) => endFamiliesOfSession(tx, { id: sessionId, userId }, 'left', operator))).toBe(2);
    for (const token of [refreshToken, second.refresh_token])
      expect(await harness.refreshed(token)).toBe('session_ended');
    expect(await harness.refreshed(other.refresh_token)).toBe('ok');
    expect(await harness.endsOf(sessionId)).toEqual([{ kind: 'sid', reason: 'left', token_epoch: null }]);
    expect((await harness.eventsOf(sessionId)).at(-1)).toMatchObject({
      type: 'token.family_ended',
      detail: { families: 2, reason: 'left' },
    });
  });

  test('the families of a user raises the user’s epoch, with revocation and audit row', async () => {
    const families = [await harness.login()];
    const { userId } = families[0] as { userId: string };
    families.push(await harness.login({ user_id: userId }));
    expect(await transact((tx) => endFamiliesOfUser(tx, userId, 'password reset', operator))).toBe(1);
    for (const family of families) {
      expect(await harness.refreshed(family.refresh_token)).toBe('session_ended');
      expect(await harness.rowOf(family.family_id)).toMatchObject({ revoke_reason: 'password reset' });
    }
    expect(await harness.endsOf(userId)).toEqual([{ kind: 'user', reason: 'password reset', token_epoch: 1 }]);
    expect((await harness.eventsOf(userId)).at(-1)).toMatchObject({
      type: 'user.tokens_revoked',
      actor_id: 'operator',
    });
    const born = await copy.create({ user_id: userId });
    expect(born.user_epoch).toBe(1);
    expect(await harness.refreshed(born.refresh_token)).toBe('ok');
    expect(await transact((tx) => endFamiliesOfUser(tx, 'unknown', 'x', operator))).toBeNull();
  });

  test('the families of a client raises the client’s epoch, with revocation and audit row', async () => {
    const clientId = randomUUID();
    await copy.pool.query(`INSERT INTO oauth_clients (id, "clientId") VALUES ($1, $1)`, [clientId]);
    const family = await harness.login({ client_id: clientId });
    expect(await transact((tx) => endFamiliesOfClient(tx, clientId, 'leaked', operator))).toBe(1);
    expect(await harness.refreshed(family.refresh_token)).toBe('session_ended');
    expect(await harness.endsOf(clientId)).toEqual([{ kind: 'client', reason: 'leaked', token_epoch: 1 }]);
    expect((await harness.eventsOf(clientId)).at(-1)).toMatchObject({
      type: 'client.tokens_revoked',
      actor_id: 'operator',
    });
    expect(await transact((tx) => endFamiliesOfClient(tx, 'none', 'x', operator))).toBeNull();
  });

  test('in a transaction that rolls back changes nothing', async () => {
    const family = await harness.login();
    const failed = transact(async (tx) => {
      await endFamily(tx, family.family_id, 'x', operator);
      throw new Error('no');
    });
    await expect(failed).rejects.toThrow('no');
    expect(await harness.refreshed(family.refresh_token)).toBe('ok');
    expect(await harness.endsOf(family.family_id)).toEqual([]);
  });
});

const read = (token: string) =>
  readRefreshToken({ ...copy.ports, sql: createSql(copy.pool) } as unknown as ReadRefreshTokenPorts, token, null);

test('reading a refresh token gives its family and whether it is the newest, and does not use it', async () => {
  const { family_id: familyId, refresh_token: refreshToken, userId } = await harness.login();
  const successor = await next(copy, refreshToken);
  const before = await harness.imageOf(familyId);
  expect(await read(successor)).toMatchObject({ familyId, user_id: userId, presentedGeneration: 1, isCurrent: true });
  expect(await read(refreshToken)).toMatchObject({ presentedGeneration: 0, isCurrent: false });
  expect(await harness.imageOf(familyId)).toBe(before);
});

test('a genuine token of a purged family is null', async () => {
  const { family_id: familyId, refresh_token: refreshToken } = await harness.login();
  await copy.pool.query('DELETE FROM refresh_families WHERE id = $1', [familyId]);
  expect(await read(refreshToken)).toBeNull();
});
