import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { mintAccessToken } from '#services/domain/tokens/access-token.ts';
import { createFamily } from '#services/domain/tokens/refresh/create-family.ts';
import { familyTokenFacts } from '#services/domain/tokens/refresh/family-token.ts';
import type { Person } from '#testing/flows/people.ts';
import { API_URL, newClient } from '#testing/harness/api.ts';
import { testCaller } from '#testing/harness/ports.ts';
import type { Json } from '#testing/http-client.ts';
import { overtaken } from '#testing/overtaken.ts';
import { type ApiKeyHarness, openApiKeyHarness } from './api-keys-harness.ts';

let harness: ApiKeyHarness;
beforeAll(async () => {
  harness = await openApiKeyHarness();
});
afterAll(() => harness?.close());

/** A token that a user has just given to another client, for what the user may do. */
async function givenToken({ id: userId, sessionId }: Person, scopes: readonly string[]): Promise<string> {
  const { clientId } = await newClient(harness.api, [], scopes);
  const family = {
    userId,
    sessionId,
    clientId,
    isClientBound: true,
    scope: scopes.join(' '),
    audience: API_URL,
    authTime: Math.floor(Date.now() / 1_000),
  };
  const { ports } = harness.api;
  const created = await ports.transact((tx) => createFamily(tx, ports, family, testCaller));
  const facts = familyTokenFacts(ports.access, { ...family, ...created });
  return (await mintAccessToken(ports, facts, testCaller.request)).token;
}

describe('whose keys', () => {
  test('a token given to another client cannot create, list, rotate or revoke its user’s keys', async () => {
    const user = await harness.newUser('operator');
    const { id, secret } = await harness.makeKey({ bearer: user.bearer }, { permissions: ['keys:read'] });
    const bearer = await givenToken(user, ['openid', 'keys:read']);
    expect((await harness.listWith(bearer)).status).toBe(200);
    for (const [method, path, json] of [
      ['POST', '/v1/api-keys', { name: 'lasting', permissions: ['keys:read'] }],
      ['GET', '/v1/api-keys', undefined],
      ['POST', `/v1/api-keys/${id}/rotate`, {}],
      ['DELETE', `/v1/api-keys/${id}`, undefined],
    ] as const) {
      const answer = await harness.call(method, path, json === undefined ? { bearer } : { bearer, json });
      expect(answer, `${method} ${path}`).toMatchObject({ status: 403, body: { code: 'permission_missing' } });
    }
    expect(await harness.own(user)).toHaveLength(1);
    expect((await harness.listWith(secret)).status).toBe(200);
  });

  test('a sign-in that ends while it creates a key, by its session or its token, creates none', async () => {
    for (const end of [
      'SELECT user_every_login_end($1)',
      'DELETE FROM sessions WHERE "userId" = $1',
      'UPDATE refresh_families SET revoked_at = now() WHERE user_id = $1',
    ]) {
      const user = await harness.newUser();
      const made = await overtaken(harness.api.stores.pools.main, user.id, end, () =>
        harness.call('POST', '/v1/api-keys', { bearer: user.bearer, json: { name: 'outlives it' } }),
      );
      expect([end, made.status, made.body.code]).toEqual([end, 401, 'unauthenticated']);
      expect(await harness.rows('SELECT 1 FROM api_keys WHERE user_id = $1', [user.id])).toEqual([]);
    }
  });

  test('nor does it give a key a new secret', async () => {
    for (const end of ['SELECT user_every_login_end($1)', 'DELETE FROM sessions WHERE "userId" = $1']) {
      const user = await harness.newUser();
      const { id } = await harness.makeKey({ bearer: user.bearer });
      const before = await harness.rows('SELECT secret_hash, expires_at FROM api_keys WHERE id = $1', [id]);
      const turned = await overtaken(harness.api.stores.pools.main, user.id, end, () =>
        harness.call('POST', `/v1/api-keys/${id}/rotate`, { bearer: user.bearer, json: {} }),
      );
      expect([end, turned.status, turned.body.code]).toEqual([end, 401, 'unauthenticated']);
      expect(await harness.rows('SELECT secret_hash, expires_at FROM api_keys WHERE id = $1', [id])).toEqual(before);
    }
  });

  test('a client disabled while it creates a key creates none', async () => {
    const client = await harness.newClient([]);
    const cutOff = 'UPDATE oauth_clients SET "tokenEpoch" = "tokenEpoch" + 1 WHERE "clientId" = $1';
    const made = await overtaken(harness.api.stores.pools.main, client.client_id, cutOff, () =>
      harness.call('POST', '/v1/api-keys', { basic: client, json: { name: 'outlives it' } }),
    );
    expect([made.status, made.body.code]).toEqual([401, 'unauthenticated']);
    expect(await harness.rows('SELECT 1 FROM api_keys WHERE client_id = $1', [client.client_id])).toEqual([]);
  });

  test('administrators see all keys and revoke with a recorded reason', async () => {
    const user = await harness.newUser();
    const { id } = await harness.makeKey({ bearer: user.bearer });
    expect((await harness.call('GET', '/v1/admin/api-keys', { bearer: user.bearer })).status).toBe(403);
    for (const owner of ['user_id', 'client_id'])
      expect(
        (await harness.call('GET', `/v1/admin/api-keys?${owner}=%00`, { bearer: harness.admin.bearer })).body.code,
        'no text of Postgres',
      ).toBe('request_invalid');
    const { body } = await harness.call('GET', `/v1/admin/api-keys?user_id=${user.id}&limit=1`, {
      bearer: harness.admin.bearer,
    });
    expect(body.api_keys.map((key: Json) => key.api_key_id)).toEqual([id]);
    const revoke = (key: string) =>
      harness.call('POST', `/v1/admin/api-keys/${key}/revoke`, {
        bearer: harness.admin.bearer,
        json: { reason: 'found on a page' },
      });
    expect((await revoke(id)).body.api_key).toMatchObject({ state: 'revoked', revoke_reason: 'found on a page' });
    expect((await revoke('00000000-0000-7000-8000-000000000000')).status).toBe(404);
    const [event] = await harness.rows(
      `SELECT actor_id, detail FROM audit_outbox WHERE type = 'api_key.revoked' AND target_id = $1`,
      [id],
    );
    expect(event).toMatchObject({
      actor_id: harness.admin.id,
      detail: { reason: 'found on a page', user_id: user.id },
    });
  });
});
