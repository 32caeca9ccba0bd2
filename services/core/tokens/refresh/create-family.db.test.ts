import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Transact } from '#services/core/ports.ts';
import { systemRandom } from '#services/platform/crypto/system.ts';
import { type FamilyCopy, insertSession, insertUser, refreshSettings } from '#tools/testing/fixtures/families.ts';
import { PATIENCE_MS } from '#tools/testing/harness/ports.ts';
import { outcomeOf } from '#tools/testing/outcome.ts';
import { createFamily } from './create-family.ts';
import { type FamilySessionHarness, openFamilySessionHarness, operator } from './family-session-harness.ts';
import { checkRefreshToken } from './refresh-token-format.ts';

let harness: FamilySessionHarness;
let copy: FamilyCopy;
let transact: Transact;
beforeAll(async () => {
  harness = await openFamilySessionHarness();
  ({ copy, transact } = harness);
});
afterAll(() => harness?.close());

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
    const proved = await copy.create({ userId, sessionId });
    const plain = await harness.login();
    const batch = await Promise.all([proved, plain].map(({ refreshToken }) => copy.refresh(refreshToken)));
    const { twoFactorIdleSeconds, refreshTokenSeconds } = refreshSettings;
    expect(proved.refreshExpiresInSeconds).toBe(twoFactorIdleSeconds);
    expect(batch).toMatchObject([
      { outcome: 'rotated', acr: 'aal2', refreshExpiresInSeconds: twoFactorIdleSeconds },
      { outcome: 'rotated', acr: 'aal1', refreshExpiresInSeconds: refreshTokenSeconds },
    ]);
    const row = await harness.rowOf(proved.familyId);
    expectLife(row.rotated_at, row.idle_expires_at, twoFactorIdleSeconds);
    await copy.pool.query(
      `UPDATE refresh_families SET idle_expires_at = now() - make_interval(secs => 1) WHERE id = $1`,
      [proved.familyId],
    );
    await expect(copy.refresh(batch[0]!.refreshToken)).rejects.toMatchObject({ code: 'refresh_token_expired' });
  });

  test('is one row with an audit row, and its refresh token matches the row', async () => {
    const { familyId, refreshToken, userId, sessionId, ...created } = await harness.login({
      device: { name: 'a phone' },
    });
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
      rightsLimit: null,
      accessVersion: expect.any(Number),
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
    const created = await copy.create({ userId, sessionId });
    expect(created.refreshExpiresInSeconds).toBeLessThanOrEqual(90);
    const { rows } = await copy.pool.query<{ capped: boolean }>(
      `SELECT f.expires_at <= s."expiresAt" AND f.idle_expires_at <= f.expires_at AS capped
       FROM refresh_families f JOIN sessions s ON s.id = f.sid WHERE f.id = $1`,
      [created.familyId],
    );
    expect(rows).toEqual([{ capped: true }]);
  });

  test('stores nothing from which a refresh token could be made', async () => {
    const { familyId, refreshToken } = await harness.login();
    const parts = checkRefreshToken(refreshToken, [''], harness.secrets, harness.incarnation);
    const { rows } = await copy.pool.query('SELECT to_jsonb(f)::text AS text FROM refresh_families f WHERE id = $1', [
      familyId,
    ]);
    expect(rows[0].text).not.toContain((parts as { nonce: Buffer }).nonce.toString('hex'));
    for (const part of refreshToken.split('.').slice(3)) expect(rows[0].text).not.toContain(part);
  });

  test('ends the previous family of the same session and client, but not its access tokens', async () => {
    const first = await harness.login();
    const second = await copy.create({ userId: first.userId, sessionId: first.sessionId });
    expect(await harness.refreshed(first.refreshToken)).toBe('session_ended');
    expect(await harness.refreshed(second.refreshToken)).toBe('ok');
    expect(await harness.rowOf(first.familyId)).toMatchObject({ revoke_reason: 'superseded' });
    expect((await harness.eventsOf(first.familyId)).filter((row) => row.type === 'token.family_ended')).toMatchObject([
      { detail: { reason: 'superseded' } },
    ]);
    expect(await harness.endsOf(first.familyId)).toEqual([]);
  });

  test('of many created concurrently for a session and client, one stays live', async () => {
    const userId = await insertUser(copy.pool);
    const sessionId = await insertSession(copy.pool, userId);
    const families = await Promise.all([1, 2, 3, 4].map(() => copy.create({ userId, sessionId })));
    const { rows } = await copy.pool.query('SELECT id FROM refresh_families WHERE sid = $1 AND revoked_at IS NULL', [
      sessionId,
    ]);
    expect(rows).toHaveLength(1);
    expect(families.map((family) => family.familyId)).toContain(rows[0].id);
  });

  test('is not created for a session that is deleted, expired or another user’s', async () => {
    const userId = await insertUser(copy.pool);
    const foreign = await insertSession(copy.pool, await insertUser(copy.pool));
    const expired = await insertSession(copy.pool, userId);
    await copy.pool.query(`UPDATE sessions SET "expiresAt" = now() - interval '1 second' WHERE id = $1`, [expired]);
    for (const sessionId of [randomUUID(), foreign, expired])
      expect(await outcomeOf(copy.create({ userId, sessionId }))).toBe('session_ended');
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
      { userId: disabled },
      { userId: 'unknown' },
      { userId, clientId },
      { userId, clientId: 'none' },
    ])
      expect(await outcomeOf(copy.create(family))).toBe('session_ended');
  });

  test('does not outlive a session that ends during its creation', async () => {
    const userId = await insertUser(copy.pool);
    const sessionId = await insertSession(copy.pool, userId);
    const client = await copy.pool.connect();
    await client.query('BEGIN');
    await client.query('DELETE FROM sessions WHERE id = $1', [sessionId]);
    const family = outcomeOf(copy.create({ userId, sessionId }));
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
          userId,
          sessionId: null,
          clientId: 'sallyport',
          isClientBound: false,
          scope: 'openid',
          audience: 'a',
          authTime: 1,
        },
        operator,
      );
      // The revocation ends only committed families, and this one is not committed yet.
      await copy.pool.query(`UPDATE users SET "tokenEpoch" = "tokenEpoch" + 1 WHERE id = $1`, [userId]);
      return created;
    });
    expect(await harness.rowOf(family.familyId)).toMatchObject({ revoked_at: null, user_epoch: 0 });
    expect(await harness.refreshed(family.refreshToken)).toBe('session_ended');
  });

  test('never outlives its absolute expiry, even if the idle limit is longer', async () => {
    const brief = harness.copyWith({ refreshAbsoluteSeconds: 60 });
    const family = await brief.create({ userId: await insertUser(copy.pool) });
    expect(family.refreshExpiresInSeconds).toBe(60);
    const row = await harness.rowOf(family.familyId);
    expect(row.idle_expires_at).toEqual(row.expires_at);
  });

  test('leaves no row when its transaction fails', async () => {
    const userId = await insertUser(copy.pool);
    const client = await copy.pool.connect();
    await client.query(
      'ALTER TABLE audit_outbox ADD CONSTRAINT refuse_families CHECK (type <> $$token.family_created$$) NOT VALID',
    );
    await outcomeOf(copy.create({ userId }));
    await client.query('ALTER TABLE audit_outbox DROP CONSTRAINT refuse_families');
    client.release();
    expect((await copy.pool.query('SELECT 1 FROM refresh_families WHERE user_id = $1', [userId])).rows).toEqual([]);
  });
});
