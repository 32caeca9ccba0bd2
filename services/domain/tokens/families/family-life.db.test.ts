import { randomBytes, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemRandom } from '../../../platform/crypto/system.ts';
import { isAppError } from '../../../platform/define/error.ts';
import { createTransact } from '../../../platform/postgres/pool.ts';
import {
  callerFrom,
  createFamilyCopy,
  type FamilyCopy,
  insertSession,
  insertUser,
  publicClient,
  refreshSecrets,
  refreshSettings,
} from '../../../platform/testing/made/families.ts';
import { createTestDatabase, type TestDatabase } from '../../../platform/testing/stores.ts';
import type { Caller, Transact } from '../../ports.ts';
import { createFamily, type NewFamily } from './create-family.ts';
import { endFamiliesOfClient, endFamiliesOfSession, endFamiliesOfUser, endFamily } from './end-family.ts';
import { checkRefreshToken } from './refresh-token-format.ts';

const incarnation = randomUUID();
const secrets = refreshSecrets(new Map([[1, randomBytes(32)]]), () => 1);
const admin: Caller = {
  kind: 'client',
  clientId: 'operator',
  permissions: new Set(['tokens:revoke']),
  by: 'client',
  isVetted: true,
  request: callerFrom('192.0.2.1').request,
};
let database: TestDatabase;
let copy: FamilyCopy;
let transact: Transact;
const copies: FamilyCopy[] = [];
const copyWith = (settings: Partial<typeof refreshSettings> = {}): FamilyCopy => {
  const options = { url: database.url, secrets, incarnation, deadlineMs: 30_000, statementTimeoutMs: 30_000 };
  const made = createFamilyCopy({ ...options, settings: { ...refreshSettings, ...settings } });
  copies.push(made);
  return made;
};
beforeAll(async () => {
  database = await createTestDatabase();
  copy = copyWith();
  transact = createTransact(copy.pool, (err) => {
    throw err;
  });
});
afterAll(async () => {
  await Promise.all(copies.map((each) => each.close()));
  await database.drop();
});

const codeOf = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'ok',
    (err: unknown) => (isAppError(err) ? err.code : String(err)),
  );
const outcome = (token: string, by = publicClient): Promise<string> => codeOf(copy.refresh(token, by));
const rowOf = async (familyId: string) =>
  (await copy.pool.query('SELECT * FROM refresh_families WHERE id = $1', [familyId])).rows[0];
const auditOf = async (targetId: string) =>
  (
    await copy.pool.query(
      `SELECT type, outcome, actor_kind, actor_id, client_id, detail FROM audit_outbox WHERE target_id = $1 ORDER BY id`,
      [targetId],
    )
  ).rows;
const revocationsOf = async (value: string) =>
  (await copy.pool.query('SELECT kind, reason, token_epoch FROM revocations WHERE value = $1 ORDER BY id', [value]))
    .rows;
const login = async (family: Partial<NewFamily> = {}) => {
  const userId = family.userId ?? (await insertUser(copy.pool));
  const sessionId = await insertSession(copy.pool, userId);
  return { userId, sessionId, ...(await copy.create({ userId, sessionId, ...family })) };
};

describe('a new family', () => {
  test('U5 of two factors rests as long as its session may, and so after each refresh; any other its own time', async () => {
    const userId = await insertUser(copy.pool);
    const sessionId = await insertSession(copy.pool, userId);
    await copy.pool.query(`UPDATE sessions SET acr = 'aal2' WHERE id = $1`, [sessionId]);
    const proved = await copy.create({ userId, sessionId });
    const plain = await login();
    const batch = await Promise.all([proved, plain].map(({ refreshToken }) => copy.refresh(refreshToken)));
    const { twoFactorIdleSeconds, refreshTokenSeconds } = refreshSettings;
    expect(proved.refreshExpiresInSeconds).toBe(twoFactorIdleSeconds);
    expect(batch).toMatchObject([
      { verdict: 'rotated', acr: 'aal2', refreshExpiresInSeconds: twoFactorIdleSeconds },
      { verdict: 'rotated', acr: 'aal1', refreshExpiresInSeconds: refreshTokenSeconds },
    ]);
    const row = await rowOf(proved.familyId);
    expect(row.idle_expires_at - row.rotated_at).toBeCloseTo(twoFactorIdleSeconds * 1_000, -3);
    await copy.pool.query(`UPDATE refresh_families SET idle_expires_at = now() WHERE id = $1`, [proved.familyId]);
    await expect(copy.refresh(batch[0]!.refreshToken)).rejects.toMatchObject({ code: 'refresh_token_expired' });
  });

  test('is one row with its audit row, and its token fits it', async () => {
    const { familyId, refreshToken, userId, sessionId, ...created } = await login({ device: { name: 'a phone' } });
    expect(created).toEqual({
      generation: 0,
      refreshExpiresInSeconds: refreshSettings.refreshTokenSeconds,
      email: `${userId}@example.test`,
      isEmailVerified: false,
      roles: ['user'],
      userEpoch: 0,
      clientEpoch: 0,
      amr: '',
      acr: 'aal1',
      accessVersion: expect.any(Number),
    });
    expect(checkRefreshToken(refreshToken, [''], secrets, incarnation)).not.toBeNull();
    const row = await rowOf(familyId);
    expect(row).toMatchObject({ generation: 0, sid: sessionId, user_id: userId, device: { name: 'a phone' }, kv: 1 });
    expect(row.idle_expires_at - row.created_at).toBeCloseTo(refreshSettings.refreshTokenSeconds * 1_000, -3);
    expect(row.expires_at - row.created_at).toBeCloseTo(refreshSettings.refreshAbsoluteSeconds * 1_000, -3);
    expect(await auditOf(familyId)).toMatchObject([
      {
        type: 'token.family_created',
        outcome: 'ok',
        client_id: 'sallyport',
        detail: { user_id: userId, session_id: sessionId },
      },
    ]);
  });

  test('never outlives the session it belongs to', async () => {
    const userId = await insertUser(copy.pool);
    const sessionId = await insertSession(copy.pool, userId);
    await copy.pool.query(`UPDATE sessions SET "expiresAt" = now() + interval '90 seconds' WHERE id = $1`, [sessionId]);
    const created = await copy.create({ userId, sessionId });
    expect(created.refreshExpiresInSeconds).toBeLessThanOrEqual(90);
    const { rows } = await copy.pool.query<{ capped: boolean }>(
      `SELECT f.expires_at <= s."expiresAt" AND f.idle_expires_at <= f.expires_at AS capped
       FROM refresh_families f JOIN sessions s ON s.id = f.sid WHERE f.id = $1`,
      [created.familyId],
    );
    expect(rows).toEqual([{ capped: true }]);
  });

  test('keeps nothing a refresh token could be made from', async () => {
    const { familyId, refreshToken } = await login();
    const parts = checkRefreshToken(refreshToken, [''], secrets, incarnation);
    const { rows } = await copy.pool.query('SELECT to_jsonb(f)::text AS text FROM refresh_families f WHERE id = $1', [
      familyId,
    ]);
    expect(rows[0].text).not.toContain((parts as { nonce: Buffer }).nonce.toString('hex'));
    for (const part of refreshToken.split('.').slice(3)) expect(rows[0].text).not.toContain(part);
  });

  test('ends the login the same session and client had before, without ending its access tokens', async () => {
    const first = await login();
    const second = await copy.create({ userId: first.userId, sessionId: first.sessionId });
    expect(await outcome(first.refreshToken)).toBe('session_ended');
    expect(await outcome(second.refreshToken)).toBe('ok');
    expect(await rowOf(first.familyId)).toMatchObject({ revoke_reason: 'superseded' });
    expect((await auditOf(first.familyId)).filter((row) => row.type === 'token.family_ended')).toMatchObject([
      { detail: { reason: 'superseded' } },
    ]);
    expect(await revocationsOf(first.familyId)).toEqual([]);
  });

  test('one of many begun at once for a session and client lives', async () => {
    const userId = await insertUser(copy.pool);
    const sessionId = await insertSession(copy.pool, userId);
    const families = await Promise.all([1, 2, 3, 4].map(() => copy.create({ userId, sessionId })));
    const { rows } = await copy.pool.query('SELECT id FROM refresh_families WHERE sid = $1 AND revoked_at IS NULL', [
      sessionId,
    ]);
    expect(rows).toHaveLength(1);
    expect(families.map((family) => family.familyId)).toContain(rows[0].id);
  });

  test('is not begun for a session that is gone, expired or another user’s', async () => {
    const userId = await insertUser(copy.pool);
    const foreign = await insertSession(copy.pool, await insertUser(copy.pool));
    const expired = await insertSession(copy.pool, userId);
    await copy.pool.query(`UPDATE sessions SET "expiresAt" = now() - interval '1 second' WHERE id = $1`, [expired]);
    for (const sessionId of [randomUUID(), foreign, expired])
      expect(await codeOf(copy.create({ userId, sessionId }))).toBe('session_ended');
    const { rows } = await copy.pool.query('SELECT 1 FROM refresh_families WHERE user_id = $1', [userId]);
    expect(rows).toEqual([]);
  });

  test('is not begun for a user or client that is gone or disabled', async () => {
    const disabled = await insertUser(copy.pool);
    await copy.pool.query(`UPDATE users SET "disabledAt" = now() WHERE id = $1`, [disabled]);
    const userId = await insertUser(copy.pool);
    const clientId = randomUUID();
    await copy.pool.query(`INSERT INTO oauth_clients (id, "clientId", disabled) VALUES ($1, $1, true)`, [clientId]);
    for (const family of [
      { userId: disabled },
      { userId: 'nobody' },
      { userId, clientId },
      { userId, clientId: 'none' },
    ])
      expect(await codeOf(copy.create(family))).toBe('session_ended');
  });

  test('whose session ends while it begins does not outlive it', async () => {
    const userId = await insertUser(copy.pool);
    const sessionId = await insertSession(copy.pool, userId);
    const client = await copy.pool.connect();
    await client.query('BEGIN');
    await client.query('DELETE FROM sessions WHERE id = $1', [sessionId]);
    const family = codeOf(copy.create({ userId, sessionId }));
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

  test('begun while its user’s tokens are revoked is over at its first refresh', async () => {
    const userId = await insertUser(copy.pool);
    const ports = { ...copy.ports, random: systemRandom, tokenSettings: refreshSettings };
    const family = await transact(async (tx) => {
      const created = await createFamily(
        tx,
        ports,
        {
          userId,
          sessionId: null,
          clientId: 'sallyport',
          isClientBound: false,
          scope: 'openid',
          audience: 'a',
          authTime: 1,
        },
        admin,
      );
      // It ends what it sees, and this family is not committed yet.
      await copy.pool.query(`UPDATE users SET "tokenEpoch" = "tokenEpoch" + 1 WHERE id = $1`, [userId]);
      return created;
    });
    expect(await rowOf(family.familyId)).toMatchObject({ revoked_at: null, user_epoch: 0 });
    expect(await outcome(family.refreshToken)).toBe('session_ended');
  });

  test('never outlives its absolute expiry, even where the idle one is longer (T16)', async () => {
    const brief = copyWith({ refreshAbsoluteSeconds: 60 });
    const family = await brief.create({ userId: await insertUser(copy.pool) });
    expect(family.refreshExpiresInSeconds).toBe(60);
    const row = await rowOf(family.familyId);
    expect(row.idle_expires_at).toEqual(row.expires_at);
  });

  test('leaves nothing when its transaction fails', async () => {
    const userId = await insertUser(copy.pool);
    const client = await copy.pool.connect();
    await client.query(
      'ALTER TABLE audit_outbox ADD CONSTRAINT refuse_families CHECK (type <> $$token.family_created$$) NOT VALID',
    );
    await codeOf(copy.create({ userId }));
    await client.query('ALTER TABLE audit_outbox DROP CONSTRAINT refuse_families');
    client.release();
    expect((await copy.pool.query('SELECT 1 FROM refresh_families WHERE user_id = $1', [userId])).rows).toEqual([]);
  });
});

describe('the end', () => {
  test('of one family ends it, its access tokens by a revocation, and is audited with actor and reason', async () => {
    const family = await login();
    const other = await login({ userId: family.userId });
    const ended = await transact((tx) => endFamily(tx, family.familyId, 'lost phone', admin));
    expect(ended).toEqual({ userId: family.userId, clientId: 'sallyport', sessionId: family.sessionId });
    expect(await outcome(family.refreshToken)).toBe('session_ended');
    expect(await outcome(other.refreshToken)).toBe('ok');
    expect(await revocationsOf(family.familyId)).toEqual([{ kind: 'family', reason: 'lost phone', token_epoch: null }]);
    expect((await auditOf(family.familyId)).filter((row) => row.type === 'token.family_ended')).toMatchObject([
      { actor_kind: 'client', actor_id: 'operator', detail: { reason: 'lost phone', user_id: family.userId } },
    ]);
  });

  test('of an ended family keeps its first reason; of a superseded one it ends the access tokens too', async () => {
    const family = await login();
    await copy.create({ userId: family.userId, sessionId: family.sessionId });
    for (const reason of ['first', 'second']) await transact((tx) => endFamily(tx, family.familyId, reason, admin));
    expect(await rowOf(family.familyId)).toMatchObject({ revoke_reason: 'superseded' });
    expect(await revocationsOf(family.familyId)).toMatchObject([{ reason: 'first' }]);
  });

  test('of a family that is not there changes nothing', async () => {
    const id = randomUUID();
    expect(await transact((tx) => endFamily(tx, id, 'x', admin))).toBeNull();
    expect(await revocationsOf(id)).toEqual([]);
    expect(await auditOf(id)).toEqual([]);
  });

  test('of a session’s families ends them all and refuses the session’s tokens', async () => {
    const clientId = randomUUID();
    await copy.pool.query(`INSERT INTO oauth_clients (id, "clientId") VALUES ($1, $1)`, [clientId]);
    const { userId, sessionId, refreshToken } = await login();
    const second = await copy.create({ userId, sessionId, clientId });
    const other = await login({ userId });
    expect(await transact((tx) => endFamiliesOfSession(tx, { id: sessionId, userId }, 'left', admin))).toBe(2);
    for (const token of [refreshToken, second.refreshToken]) expect(await outcome(token)).toBe('session_ended');
    expect(await outcome(other.refreshToken)).toBe('ok');
    expect(await revocationsOf(sessionId)).toEqual([{ kind: 'sid', reason: 'left', token_epoch: null }]);
    expect((await auditOf(sessionId)).at(-1)).toMatchObject({
      type: 'token.family_ended',
      detail: { families: 2, reason: 'left' },
    });
  });

  test('of a user’s families raises the epoch, with revocation and audit row', async () => {
    const families = [await login()];
    const { userId } = families[0] as { userId: string };
    families.push(await login({ userId }));
    expect(await transact((tx) => endFamiliesOfUser(tx, userId, 'password reset', admin))).toBe(1);
    for (const family of families) {
      expect(await outcome(family.refreshToken)).toBe('session_ended');
      expect(await rowOf(family.familyId)).toMatchObject({ revoke_reason: 'password reset' });
    }
    expect(await revocationsOf(userId)).toEqual([{ kind: 'user', reason: 'password reset', token_epoch: 1 }]);
    expect((await auditOf(userId)).at(-1)).toMatchObject({ type: 'user.tokens_revoked', actor_id: 'operator' });
    const born = await copy.create({ userId });
    expect(born.userEpoch).toBe(1);
    expect(await outcome(born.refreshToken)).toBe('ok');
    expect(await transact((tx) => endFamiliesOfUser(tx, 'nobody', 'x', admin))).toBeNull();
  });

  test('of a client’s families raises its epoch, with revocation and audit row', async () => {
    const clientId = randomUUID();
    await copy.pool.query(`INSERT INTO oauth_clients (id, "clientId") VALUES ($1, $1)`, [clientId]);
    const family = await login({ clientId });
    expect(await transact((tx) => endFamiliesOfClient(tx, clientId, 'leaked', admin))).toBe(1);
    expect(await outcome(family.refreshToken)).toBe('session_ended');
    expect(await revocationsOf(clientId)).toEqual([{ kind: 'client', reason: 'leaked', token_epoch: 1 }]);
    expect((await auditOf(clientId)).at(-1)).toMatchObject({ type: 'client.tokens_revoked', actor_id: 'operator' });
    expect(await transact((tx) => endFamiliesOfClient(tx, 'none', 'x', admin))).toBeNull();
  });

  test('rolled back with its transaction ends nothing', async () => {
    const family = await login();
    const failed = transact(async (tx) => {
      await endFamily(tx, family.familyId, 'x', admin);
      throw new Error('no');
    });
    await expect(failed).rejects.toThrow('no');
    expect(await outcome(family.refreshToken)).toBe('ok');
    expect(await revocationsOf(family.familyId)).toEqual([]);
  });
});
