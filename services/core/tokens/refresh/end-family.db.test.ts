import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Transact } from '#services/core/ports.ts';
import type { FamilyCopy } from '#tools/testing/fixtures/families.ts';
import { endFamiliesOfClient, endFamiliesOfSession, endFamiliesOfUser, endFamily } from './end-family.ts';
import { type FamilySessionHarness, openFamilySessionHarness, operator } from './family-session-harness.ts';

let harness: FamilySessionHarness;
let copy: FamilyCopy;
let transact: Transact;
beforeAll(async () => {
  harness = await openFamilySessionHarness();
  ({ copy, transact } = harness);
});
afterAll(() => harness?.close());

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
