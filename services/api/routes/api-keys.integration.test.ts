import { generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { createApiKeyDirectory } from '#services/core/api-keys/api-key-directory.ts';
import { eventually } from '#tools/testing/eventually.ts';
import { tokenAt } from '#tools/testing/flows/every-caller.ts';
import type { Person } from '#tools/testing/flows/people.ts';
import { API_URL, newClient } from '#tools/testing/harness/api.ts';
import type { Json, Sent } from '#tools/testing/http-client.ts';
import { opened } from '#tools/testing/opened.ts';
import { overtaken } from '#tools/testing/overtaken.ts';
import { openApiKeyHarness } from './api-keys-harness.ts';

const harness = opened(() => openApiKeyHarness());
const other = opened(() => harness.startCopy({ hashes: false }));

describe('a key', () => {
  test('acts for its owner with only its own permissions, by Bearer and by X-API-Key', async () => {
    const { secret } = await harness.makeKey({ bearer: harness.admin.bearer }, { permissions: ['keys:read'] });
    expect(secret).toMatch(/^sp_ak_[0-9a-f]{32}_[0-9A-Za-z]{49}$/);
    expect((await harness.listWith(secret)).status).toBe(200);
    expect((await harness.call('GET', '/v1/keys', { headers: { 'x-api-key': secret } })).status).toBe(200);
    // The owner has the permission; the key does not.
    const refused = await harness.call('GET', '/v1/tokens/stats', { bearer: secret });
    expect(refused).toMatchObject({ status: 403, body: { code: 'permission_missing' } });
  });

  test('is shown once: neither lists, rows, events nor logs contain its secret', async () => {
    const user = await harness.newUser();
    const { id, secret } = await harness.makeKey({ bearer: user.bearer });
    const [view] = await harness.own(user);
    expect(view).toMatchObject({
      api_key_id: id,
      state: 'live',
      owner: { kind: 'user', id: user.id },
      permissions: [],
    });
    const held = [
      view,
      await harness.rows`SELECT to_jsonb(k) AS row FROM api_keys k`,
      await harness.rows`SELECT to_jsonb(a) AS row FROM audit_outbox a`,
    ];
    expect(JSON.stringify(held)).not.toContain(secret.slice(-49, -6));
    const events = await harness.rows`SELECT type, actor_id, detail FROM audit_outbox WHERE target_id = ${id}`;
    expect(events).toEqual([
      { type: 'api_key.created', actor_id: user.id, detail: { user_id: user.id, permissions: [], signed: false } },
    ]);
  });

  test('has no more permissions than its creator, manages no keys itself, and sees nothing of the account', async () => {
    const user = await harness.newUser();
    const greedy = await harness.call('POST', '/v1/api-keys', {
      bearer: user.bearer,
      json: { name: 'greedy', permissions: ['keys:read'] },
    });
    expect(greedy).toMatchObject({ status: 403, body: { code: 'rights_exceeded' } });
    const { id, secret } = await harness.makeKey({ bearer: user.bearer });
    const tries = await Promise.all([
      harness.call('POST', '/v1/api-keys', { bearer: secret, json: { name: 'child' } }),
      harness.call('POST', `/v1/api-keys/${id}/rotate`, { bearer: secret, json: {} }),
      harness.call('DELETE', `/v1/api-keys/${id}`, { bearer: secret }),
    ]);
    expect(tries.map(({ status, body }) => [status, body.code])).toEqual(Array(3).fill([403, 'api_key_not_accepted']));
    for (const account of ['/v1/api-keys', '/api/auth/user', '/v1/sessions', '/api/auth/passkeys'])
      expect(await harness.call('GET', account, { bearer: secret }), account).toMatchObject({
        status: 403,
        body: { code: 'api_key_not_accepted' },
      });
  });

  test('of a client has the client’s permissions', async () => {
    const { secret } = await harness.makeKey({ basic: harness.reader }, { permissions: ['keys:read'] });
    expect((await harness.listWith(secret)).status).toBe(200);
    expect((await harness.call('GET', '/v1/tokens/stats', { bearer: secret })).status).toBe(403);
    const shrunk = await harness.newClient(['keys:read']);
    const key = await harness.makeKey({ basic: shrunk }, { permissions: ['keys:read'] });
    await harness.rows`UPDATE oauth_clients SET disabled = true WHERE "clientId" = ${shrunk.client_id}`;
    await expect.poll(async () => (await harness.listWith(key.secret, other)).status).toBe(401);
  });

  test('is one key for a retry with the same Idempotency-Key', async () => {
    const headers = { 'idempotency-key': randomBytes(8).toString('hex') };
    const make = () =>
      harness.call('POST', '/v1/api-keys', { bearer: harness.admin.bearer, json: { name: 'once' }, headers });
    const [first, second] = [await make(), await make()];
    expect(second.body).toEqual(first.body);
    expect((await harness.own(harness.admin)).filter(({ name }) => name === 'once')).toHaveLength(1);
  });

  test.each([
    ['nonsense', 'sp_ak_x'],
    ['a wrong checksum', `sp_ak_${'0'.repeat(32)}_${'A'.repeat(49)}`],
  ])('%s is refused as an invalid credential', async (_name, secret) => {
    expect((await harness.listWith(secret)).body.code).toBe('unauthenticated');
    expect((await harness.call('GET', '/v1/keys', { headers: { 'x-api-key': secret } })).status).toBe(401);
  });

  test('two credentials at once are refused; a token is not accepted as a key', async () => {
    const { secret } = await harness.makeKey({ bearer: harness.admin.bearer }, { permissions: ['keys:read'] });
    const both = await harness.call('GET', '/v1/keys', {
      bearer: harness.admin.bearer,
      headers: { 'x-api-key': secret },
    });
    expect(both.status).toBe(401);
    expect((await harness.call('GET', '/v1/keys', { headers: { 'x-api-key': harness.admin.bearer } })).status).toBe(
      401,
    );
  });
});

describe('the end of a key', () => {
  test('revoked, it is refused here before the answer and on every copy soon', async () => {
    const { id, secret } = await harness.makeKey({ bearer: harness.admin.bearer }, { permissions: ['keys:read'] });
    await expect.poll(async () => (await harness.listWith(secret, other)).status).toBe(200);
    expect((await harness.call('DELETE', `/v1/api-keys/${id}`, { bearer: harness.admin.bearer })).status).toBe(204);
    expect((await harness.listWith(secret)).status).toBe(401);
    await expect.poll(async () => (await harness.listWith(secret, other)).status).toBe(401);
    expect((await harness.call('DELETE', `/v1/api-keys/${id}`, { bearer: harness.admin.bearer })).status).toBe(204);
    expect(
      (await harness.call('POST', `/v1/api-keys/${id}/rotate`, { bearer: harness.admin.bearer, json: {} })).body.code,
    ).toBe('api_key_over');
  });

  test('rotated, the old secret works for the overlap, and the one before it not at all', async () => {
    const { id, secret } = await harness.makeKey({ bearer: harness.admin.bearer }, { permissions: ['keys:read'] });
    const rotate = async (json: object): Promise<string> =>
      (await harness.call('POST', `/v1/api-keys/${id}/rotate`, { bearer: harness.admin.bearer, json })).body.secret;
    const second = await rotate({});
    expect(await Promise.all([secret, second].map(async (text) => (await harness.listWith(text)).status))).toEqual([
      200, 200,
    ]);
    const third = await rotate({ overlap_seconds: 0 });
    const statuses = await Promise.all(
      [secret, second, third].map(async (text) => (await harness.listWith(text)).status),
    );
    expect(statuses).toEqual([401, 401, 200]);
  });

  test('it ends with the owner’s permission and with a disabled or deleted owner', async () => {
    const users = await Promise.all([
      harness.newUser('operator'),
      harness.newUser('operator'),
      harness.newUser('operator'),
    ]);
    const secrets = await Promise.all(
      users.map(async ({ bearer }) => (await harness.makeKey({ bearer }, { permissions: ['keys:read'] })).secret),
    );
    for (const secret of secrets) expect((await harness.listWith(secret)).status).toBe(200);
    const [demoted, disabled, deleted] = users as [Person, Person, Person];
    await harness.rows`DELETE FROM user_roles WHERE user_id = ${demoted.id} AND role = 'operator'`;
    await harness.rows`UPDATE users SET "disabledAt" = now() WHERE id = ${disabled.id}`;
    await harness.rows`DELETE FROM users WHERE id = ${deleted.id}`;
    for (const secret of secrets) await expect.poll(async () => (await harness.listWith(secret)).status).toBe(401);
    const over = await harness.rows`SELECT revoke_reason FROM api_keys WHERE revoke_reason = 'owner_deleted'`;
    expect(over).toHaveLength(1);
  });

  test('expired, it is refused', async () => {
    const { id, secret } = await harness.makeKey({ bearer: harness.admin.bearer }, { permissions: ['keys:read'] });
    await harness.rows`UPDATE api_keys SET expires_at = now(), owner_changed_at = now() WHERE id = ${id}`;
    await expect.poll(async () => (await harness.listWith(secret)).status).toBe(401);
    expect((await harness.own(harness.admin)).find((key) => key.api_key_id === id)?.state).toBe('expired');
  });
});

/** A token that a user has just given to another client, for what the user may do. */
async function givenToken(person: Person, scopes: readonly string[]): Promise<string> {
  const { clientId } = await newClient(harness.api, [], scopes);
  return tokenAt(harness.api, person, { client_id: clientId, scope: scopes.join(' '), audience: API_URL });
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
      expect(await harness.rows`SELECT 1 FROM api_keys WHERE user_id = ${user.id}`).toEqual([]);
    }
  });

  test('nor does it give a key a new secret', async () => {
    for (const end of ['SELECT user_every_login_end($1)', 'DELETE FROM sessions WHERE "userId" = $1']) {
      const user = await harness.newUser();
      const { id } = await harness.makeKey({ bearer: user.bearer });
      const before = await harness.rows`SELECT secret_hash, expires_at FROM api_keys WHERE id = ${id}`;
      const turned = await overtaken(harness.api.stores.pools.main, user.id, end, () =>
        harness.call('POST', `/v1/api-keys/${id}/rotate`, { bearer: user.bearer, json: {} }),
      );
      expect([end, turned.status, turned.body.code]).toEqual([end, 401, 'unauthenticated']);
      expect(await harness.rows`SELECT secret_hash, expires_at FROM api_keys WHERE id = ${id}`).toEqual(before);
    }
  });

  test('a client disabled while it creates a key creates none', async () => {
    const client = await harness.newClient([]);
    const cutOff = 'UPDATE oauth_clients SET "tokenEpoch" = "tokenEpoch" + 1 WHERE "clientId" = $1';
    const made = await overtaken(harness.api.stores.pools.main, client.client_id, cutOff, () =>
      harness.call('POST', '/v1/api-keys', { basic: client, json: { name: 'outlives it' } }),
    );
    expect([made.status, made.body.code]).toEqual([401, 'unauthenticated']);
    expect(await harness.rows`SELECT 1 FROM api_keys WHERE client_id = ${client.client_id}`).toEqual([]);
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
    const [event] = await harness.rows`SELECT actor_id, detail FROM audit_outbox
      WHERE type = 'api_key.revoked' AND target_id = ${id}`;
    expect(event).toMatchObject({
      actor_id: harness.admin.id,
      detail: { reason: 'found on a page', user_id: user.id },
    });
  });
});

describe('memory', () => {
  test('drops keys that have expired, and loads none that have', async () => {
    const time = { passedMs: 0 };
    const clock = { now: () => Date.now() + time.passedMs, monotonic: () => performance.now() + time.passedMs };
    const directory = createApiKeyDirectory({ sql: harness.api.ports.sql, clock }, 1_000);
    const client = await harness.newClient([]);
    await directory.load();
    const before = directory.size();
    for (let count = 0; count < 3; count += 1) await harness.makeKey({ basic: client }, { expires_in_seconds: 600 });
    const { id: longer } = await harness.makeKey({ basic: client }, { expires_in_seconds: 86_400 });
    await directory.load();
    expect(directory.size()).toBe(before + 4);
    time.passedMs = 700_000;
    await directory.load();
    expect(directory.size()).toBe(before + 1);
    const late = createApiKeyDirectory({ sql: harness.api.ports.sql, clock }, 1_000);
    await late.load();
    expect(late.size()).toBe(before + 1);
    await harness.call('DELETE', `/v1/api-keys/${longer}`, { basic: client });
    await directory.load();
    expect(directory.size()).toBe(before);
  });
});

describe('using a key', () => {
  test('has its own limit, reported in headers', async () => {
    const { secret } = await harness.makeKey(
      { bearer: harness.admin.bearer },
      { permissions: ['keys:read'], requests_per_minute: 2 },
    );
    const limited = await harness.startCopy({ hashes: false, env: { RATE_LIMIT_PROFILE: 'default' } });
    const ask = () => harness.listWith(secret, limited);
    const answers = [await ask(), await ask(), await ask()];
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 429]);
    expect(answers[0]?.headers.get('ratelimit-policy')).toContain('"api-key";q=2;w=60');
    expect(answers[2]?.headers.get('retry-after')).toMatch(/^\d+$/);
  });

  test('its last use is recorded for the list without a write in the request', async () => {
    const user = await harness.newUser('operator');
    await eventually('three uses that no timer has written yet', async () => {
      const { id, secret } = await harness.makeKey({ bearer: user.bearer }, { permissions: ['keys:read'] });
      for (let count = 0; count < 3; count += 1) expect((await harness.listWith(secret)).status).toBe(200);
      return (await harness.own(user)).find(({ api_key_id }) => api_key_id === id)?.uses === 0;
    });
    await harness.api.ports.apiKeyUses.write();
    const [view] = await harness.own(user);
    expect(view).toMatchObject({ uses: 3 });
    expect(Date.parse(view.last_used_at)).toBeGreaterThan(Date.now() - 600_000);
  });
});

describe('signed requests (RFC 9421)', () => {
  const pairs = { ES256: generateKeyPairSync('ec', { namedCurve: 'P-256' }), Ed25519: generateKeyPairSync('ed25519') };

  function signed(key: KeyObject, keyId: string, method: string, path: string): Sent {
    const nonce = randomBytes(16).toString('hex');
    const params = `("@method" "@target-uri");created=${Math.floor(Date.now() / 1_000)};nonce="${nonce}";keyid="${keyId}"`;
    const base = [`"@method": ${method}`, `"@target-uri": ${API_URL}${path}`, `"@signature-params": ${params}`].join(
      '\n',
    );
    const type = key.asymmetricKeyType === 'ec' ? 'sha256' : null;
    const signature = sign(type, Buffer.from(base), { key, dsaEncoding: 'ieee-p1363' }).toString('base64');
    return { headers: { 'signature-input': `sig1=${params}`, signature: `sig1=:${signature}:` } };
  }

  test.each(Object.keys(pairs) as (keyof typeof pairs)[])(
    '%s: a signed request passes once; unsigned, replayed and altered requests do not',
    async (name) => {
      const { publicKey, privateKey } = pairs[name];
      const { kty, crv, x, y } = publicKey.export({ format: 'jwk' });
      const { id, secret } = await harness.makeKey(
        { bearer: harness.admin.bearer },
        { permissions: ['keys:read', 'tokens:read'], public_key: { kty, crv, x, ...(y === undefined ? {} : { y }) } },
      );
      expect((await harness.listWith(secret)).body.code).toBe('api_key_signature_invalid');
      const request = signed(privateKey, id, 'GET', '/v1/keys');
      expect((await harness.call('GET', '/v1/keys', { ...request, bearer: secret })).status).toBe(200);
      expect((await harness.call('GET', '/v1/keys', { ...request, bearer: secret, copy: other })).status).toBe(401);
      expect(
        (
          await harness.call('GET', '/v1/tokens/stats', {
            ...signed(privateKey, id, 'GET', '/v1/keys'),
            bearer: secret,
          })
        ).status,
      ).toBe(401);
      const once = signed(privateKey, id, 'GET', '/v1/keys');
      const racing = await Promise.all(
        Array.from({ length: 8 }, (_, at) =>
          harness.call('GET', '/v1/keys', { ...once, bearer: secret, copy: at % 2 ? harness.api : other }),
        ),
      );
      expect(racing.filter(({ status }) => status === 200)).toHaveLength(1);
    },
  );

  test('an invalid public key is refused', async () => {
    const point = randomBytes(32).toString('base64url');
    const answer = await harness.call('POST', '/v1/api-keys', {
      bearer: harness.admin.bearer,
      json: { name: 'bad', public_key: { kty: 'EC', crv: 'P-256', x: point, y: point } },
    });
    expect(answer).toMatchObject({ status: 400, body: { code: 'api_key_public_key_invalid' } });
  });
});
