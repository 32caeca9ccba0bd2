import { generateKeyPairSync, hash, type KeyObject, randomBytes, sign } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createApiKeyDirectory } from '../../domain/api-keys/api-key-directory.ts';
import { mintAccessToken } from '../../domain/tokens/access-token.ts';
import { createFamily } from '../../domain/tokens/families/create-family.ts';
import { familyTokenFacts } from '../../domain/tokens/families/family-token.ts';
import { API_URL, type ApiCopy, newClient } from '../../platform/testing/api-copy.ts';
import { newPerson, type Person } from '../../platform/testing/flows/people.ts';
import { type Json, type Received, type Sent, send } from '../../platform/testing/http-client.ts';
import { overtaken } from '../../platform/testing/overtaken.ts';
import { testCaller } from '../../platform/testing/ports.ts';
import type { ClientCredentials } from '../../platform/testing/product.ts';
import { type ApiWorld, openApiWorld } from '../../platform/testing/worlds/api-world.ts';

let world: ApiWorld;
let api: ApiCopy;
let other: ApiCopy;
let admin: Person;
let reader: ClientCredentials;

type Call = Sent & { readonly copy?: ApiCopy };
const call = (method: string, path: string, { copy = api, ...sent }: Call = {}): Promise<Received> =>
  send(copy.url, method, path, sent);

const newUser = (...roles: string[]): Promise<Person> => newPerson(api, roles);
/** A token that a person gave to another client just now, for what the person may do. */
async function givenToken({ id: userId, sessionId }: Person, scopes: readonly string[]): Promise<string> {
  const { clientId } = await newClient(api, [], scopes);
  const family = {
    userId,
    sessionId,
    clientId,
    isClientBound: true,
    scope: scopes.join(' '),
    audience: API_URL,
    authTime: Math.floor(Date.now() / 1_000),
  };
  const { ports } = api;
  const created = await ports.transact((tx) => createFamily(tx, ports, family, testCaller));
  const facts = familyTokenFacts(ports.access, { ...family, ...created });
  return (await mintAccessToken(ports, facts, testCaller.request)).token;
}
const makeKey = async (by: Sent, json: object = {}): Promise<{ id: string; secret: string }> => {
  const { status, body } = await call('POST', '/v1/api-keys', { ...by, json: { name: 'test', ...json } });
  expect(status, JSON.stringify(body)).toBe(201);
  return { id: body.api_key.api_key_id, secret: body.secret };
};
const listWith = (secret: string, copy = api): Promise<Received> => call('GET', '/v1/keys', { bearer: secret, copy });
const own = (person: Person): Promise<Json[]> =>
  call('GET', '/v1/api-keys', { bearer: person.bearer }).then(({ body }) => body.api_keys);

beforeAll(async () => {
  world = await openApiWorld();
  api = await world.startCopy({ hashes: false });
  other = await world.startCopy({ hashes: false });
  reader = await world.newClient(['keys:read', 'tokens:read']);
  admin = await newUser('admin');
});
afterAll(() => world?.close());

describe('a key', () => {
  test('speaks for its owner with its own permissions alone, by Bearer and by X-API-Key', async () => {
    const { secret } = await makeKey({ bearer: admin.bearer }, { permissions: ['keys:read'] });
    expect(secret).toMatch(/^sp_ak_[0-9a-f]{32}_[0-9A-Za-z]{49}$/);
    expect((await listWith(secret)).status).toBe(200);
    expect((await call('GET', '/v1/keys', { headers: { 'x-api-key': secret } })).status).toBe(200);
    // The owner may; the key may not.
    const refused = await call('GET', '/v1/tokens/stats', { bearer: secret });
    expect(refused).toMatchObject({ status: 403, body: { code: 'permission_missing' } });
  });

  test('is shown once: neither lists, rows, events nor the log hold its secret', async () => {
    const user = await newUser();
    const { id, secret } = await makeKey({ bearer: user.bearer });
    const [view] = await own(user);
    expect(view).toMatchObject({
      api_key_id: id,
      state: 'live',
      owner: { kind: 'user', id: user.id },
      permissions: [],
    });
    const held = [
      view,
      await world.rows('SELECT to_jsonb(k) AS row FROM api_keys k'),
      await world.rows('SELECT to_jsonb(a) AS row FROM audit_outbox a'),
    ];
    expect(JSON.stringify(held)).not.toContain(secret.slice(-49, -6));
    const events = await world.rows('SELECT type, actor_id, detail FROM audit_outbox WHERE target_id = $1', [id]);
    expect(events).toEqual([
      { type: 'api_key.created', actor_id: user.id, detail: { user_id: user.id, permissions: [], signed: false } },
    ]);
  });

  test('may not do more than its maker, makes, rotates and revokes no keys itself, and sees nothing of the account', async () => {
    const user = await newUser();
    const greedy = await call('POST', '/v1/api-keys', {
      bearer: user.bearer,
      json: { name: 'greedy', permissions: ['keys:read'] },
    });
    expect(greedy).toMatchObject({ status: 403, body: { code: 'rights_exceeded' } });
    const { id, secret } = await makeKey({ bearer: user.bearer });
    const tries = await Promise.all([
      call('POST', '/v1/api-keys', { bearer: secret, json: { name: 'child' } }),
      call('POST', `/v1/api-keys/${id}/rotate`, { bearer: secret, json: {} }),
      call('DELETE', `/v1/api-keys/${id}`, { bearer: secret }),
    ]);
    expect(tries.map(({ status }) => status)).toEqual([403, 403, 403]);
    expect(tries[2]?.body.code).toBe('api_key_not_accepted');
    for (const account of ['/v1/api-keys', '/api/auth/user', '/v1/sessions', '/api/auth/passkeys'])
      expect(await call('GET', account, { bearer: secret }), account).toMatchObject({
        status: 403,
        body: { code: 'permission_missing' },
      });
  });

  test('of a client holds the rights of that client', async () => {
    const { secret } = await makeKey({ basic: reader }, { permissions: ['keys:read'] });
    expect((await listWith(secret)).status).toBe(200);
    expect((await call('GET', '/v1/tokens/stats', { bearer: secret })).status).toBe(403);
    const shrunk = await world.newClient(['keys:read']);
    const key = await makeKey({ basic: shrunk }, { permissions: ['keys:read'] });
    await world.rows('UPDATE oauth_clients SET disabled = true WHERE "clientId" = $1', [shrunk.client_id]);
    await expect.poll(async () => (await listWith(key.secret, other)).status).toBe(401);
  });

  test('is one key for a retry with the same Idempotency-Key', async () => {
    const headers = { 'idempotency-key': randomBytes(8).toString('hex') };
    const make = () => call('POST', '/v1/api-keys', { bearer: admin.bearer, json: { name: 'once' }, headers });
    const [first, second] = [await make(), await make()];
    expect(second.body).toEqual(first.body);
    expect((await own(admin)).filter(({ name }) => name === 'once')).toHaveLength(1);
  });

  test.each([
    ['nonsense', 'sp_ak_x'],
    ['a wrong checksum', `sp_ak_${'0'.repeat(32)}_${'A'.repeat(49)}`],
  ])('%s is refused as no credential', async (_name, secret) => {
    expect((await listWith(secret)).body.code).toBe('unauthenticated');
    expect((await call('GET', '/v1/keys', { headers: { 'x-api-key': secret } })).status).toBe(401);
  });

  test('two credentials at once are none; a token is no key', async () => {
    const { secret } = await makeKey({ bearer: admin.bearer }, { permissions: ['keys:read'] });
    const both = await call('GET', '/v1/keys', { bearer: admin.bearer, headers: { 'x-api-key': secret } });
    expect(both.status).toBe(401);
    expect((await call('GET', '/v1/keys', { headers: { 'x-api-key': admin.bearer } })).status).toBe(401);
  });
});

describe('the end of a key', () => {
  test('revoked, it is refused here before the answer and on every copy soon', async () => {
    const { id, secret } = await makeKey({ bearer: admin.bearer }, { permissions: ['keys:read'] });
    await expect.poll(async () => (await listWith(secret, other)).status).toBe(200);
    expect((await call('DELETE', `/v1/api-keys/${id}`, { bearer: admin.bearer })).status).toBe(204);
    expect((await listWith(secret)).status).toBe(401);
    await expect.poll(async () => (await listWith(secret, other)).status).toBe(401);
    expect((await call('DELETE', `/v1/api-keys/${id}`, { bearer: admin.bearer })).status).toBe(204);
    expect((await call('POST', `/v1/api-keys/${id}/rotate`, { bearer: admin.bearer, json: {} })).body.code).toBe(
      'api_key_over',
    );
  });

  test('rotated, the old secret is good for the overlap, the one before it not at all', async () => {
    const { id, secret } = await makeKey({ bearer: admin.bearer }, { permissions: ['keys:read'] });
    const rotate = async (json: object): Promise<string> =>
      (await call('POST', `/v1/api-keys/${id}/rotate`, { bearer: admin.bearer, json })).body.secret;
    const second = await rotate({});
    expect(await Promise.all([secret, second].map(async (text) => (await listWith(text)).status))).toEqual([200, 200]);
    const third = await rotate({ overlap_seconds: 0 });
    const statuses = await Promise.all([secret, second, third].map(async (text) => (await listWith(text)).status));
    expect(statuses).toEqual([401, 401, 200]);
  });

  test('a right taken from its owner, a disabled and a deleted owner end it', async () => {
    const users = await Promise.all([newUser('operator'), newUser('operator'), newUser('operator')]);
    const secrets = await Promise.all(
      users.map(async ({ bearer }) => (await makeKey({ bearer }, { permissions: ['keys:read'] })).secret),
    );
    for (const secret of secrets) expect((await listWith(secret)).status).toBe(200);
    const [demoted, disabled, deleted] = users as [Person, Person, Person];
    await world.rows(`DELETE FROM user_roles WHERE user_id = $1 AND role = 'operator'`, [demoted.id]);
    await world.rows('UPDATE users SET "disabledAt" = now() WHERE id = $1', [disabled.id]);
    await world.rows('DELETE FROM users WHERE id = $1', [deleted.id]);
    for (const secret of secrets) await expect.poll(async () => (await listWith(secret)).status).toBe(401);
    const over = await world.rows(`SELECT revoke_reason FROM api_keys WHERE revoke_reason = 'owner_deleted'`);
    expect(over).toHaveLength(1);
  });

  test('expired, it is refused', async () => {
    const { id, secret } = await makeKey({ bearer: admin.bearer }, { permissions: ['keys:read'] });
    await world.rows(`UPDATE api_keys SET expires_at = now(), owner_changed_at = now() WHERE id = $1`, [id]);
    await expect.poll(async () => (await listWith(secret)).status).toBe(401);
    expect((await own(admin)).find((key) => key.api_key_id === id)?.state).toBe('expired');
  });
});

describe('memory', () => {
  test('API4 forgets keys that have expired, and reads none that have', async () => {
    const time = { passedMs: 0 };
    const clock = { now: () => Date.now() + time.passedMs, monotonic: () => performance.now() + time.passedMs };
    const directory = createApiKeyDirectory({ sql: api.ports.sql, clock }, 1_000);
    const client = await world.newClient([]);
    await directory.load();
    const before = directory.size();
    for (let count = 0; count < 3; count += 1) await makeKey({ basic: client }, { expires_in_seconds: 600 });
    const { id: longer } = await makeKey({ basic: client }, { expires_in_seconds: 86_400 });
    await directory.load();
    expect(directory.size()).toBe(before + 4);
    time.passedMs = 700_000;
    await directory.load();
    expect(directory.size()).toBe(before + 1);
    const late = createApiKeyDirectory({ sql: api.ports.sql, clock }, 1_000);
    await late.load();
    expect(late.size()).toBe(before + 1);
    await call('DELETE', `/v1/api-keys/${longer}`, { basic: client });
    await directory.load();
    expect(directory.size()).toBe(before);
  });
});

describe('whose keys', () => {
  test('somebody else’s key is unknown, to read, rotate and revoke (A1)', async () => {
    const [one, two] = await Promise.all([newUser(), newUser()]);
    const { id } = await makeKey({ bearer: one.bearer });
    const tries = await Promise.all([
      call('POST', `/v1/api-keys/${id}/rotate`, { bearer: two.bearer, json: {} }),
      call('DELETE', `/v1/api-keys/${id}`, { bearer: two.bearer }),
    ]);
    for (const answer of tries) expect(answer).toMatchObject({ status: 404, body: { code: 'api_key_unknown' } });
    expect(await own(two)).toEqual([]);
    expect((await own(one))[0]?.state).toBe('live');
  });

  test('API5: a token given to another client makes, lists, rotates and ends no keys of its user', async () => {
    const user = await newUser('operator');
    const { id, secret } = await makeKey({ bearer: user.bearer }, { permissions: ['keys:read'] });
    const bearer = await givenToken(user, ['openid', 'keys:read']);
    expect((await listWith(bearer)).status).toBe(200);
    for (const [method, path, json] of [
      ['POST', '/v1/api-keys', { name: 'lasting', permissions: ['keys:read'] }],
      ['GET', '/v1/api-keys', undefined],
      ['POST', `/v1/api-keys/${id}/rotate`, {}],
      ['DELETE', `/v1/api-keys/${id}`, undefined],
    ] as const) {
      const answer = await call(method, path, json === undefined ? { bearer } : { bearer, json });
      expect(answer, `${method} ${path}`).toMatchObject({ status: 403, body: { code: 'permission_missing' } });
    }
    expect(await own(user)).toHaveLength(1);
    expect((await listWith(secret)).status).toBe(200);
  });

  test('API5: nobody rotates a key that may do more than they may by now, neither its user nor its client', async () => {
    const user = await newUser('operator');
    const ofUser = await makeKey({ bearer: user.bearer }, { permissions: ['keys:read'] });
    await world.rows(`UPDATE api_keys SET permissions = '{keys:manage,keys:read}' WHERE id = $1`, [ofUser.id]);
    const ofClient = await makeKey({ basic: reader }, { permissions: ['keys:read'] });
    await world.rows(`UPDATE api_keys SET permissions = '{keys:manage,keys:read}' WHERE id = $1`, [ofClient.id]);
    for (const [{ id }, by] of [
      [ofUser, { bearer: user.bearer }],
      [ofClient, { basic: reader }],
    ] as const) {
      const answer = await call('POST', `/v1/api-keys/${id}/rotate`, { ...by, json: {} });
      expect(answer).toMatchObject({ status: 403, body: { code: 'rights_exceeded' } });
      expect(answer.body.detail).toBe('You do not have keys:manage.');
    }
  });

  test('U7 a login that is ended while it makes a key makes none, by its session and by its token', async () => {
    for (const end of [
      'SELECT user_every_login_end($1)',
      'DELETE FROM sessions WHERE "userId" = $1',
      'UPDATE refresh_families SET revoked_at = now() WHERE user_id = $1',
    ]) {
      const user = await newUser();
      const made = await overtaken(api.stores.pools.main, user.id, end, () =>
        call('POST', '/v1/api-keys', { bearer: user.bearer, json: { name: 'outlives it' } }),
      );
      expect([end, made.status, made.body.code]).toEqual([end, 401, 'unauthenticated']);
      expect(await world.rows('SELECT 1 FROM api_keys WHERE user_id = $1', [user.id])).toEqual([]);
    }
  });

  test('U7 and it gives no key a new secret', async () => {
    for (const end of ['SELECT user_every_login_end($1)', 'DELETE FROM sessions WHERE "userId" = $1']) {
      const user = await newUser();
      const { id } = await makeKey({ bearer: user.bearer });
      const before = await world.rows('SELECT secret_hash, expires_at FROM api_keys WHERE id = $1', [id]);
      const turned = await overtaken(api.stores.pools.main, user.id, end, () =>
        call('POST', `/v1/api-keys/${id}/rotate`, { bearer: user.bearer, json: {} }),
      );
      expect([end, turned.status, turned.body.code]).toEqual([end, 401, 'unauthenticated']);
      expect(await world.rows('SELECT secret_hash, expires_at FROM api_keys WHERE id = $1', [id])).toEqual(before);
    }
  });

  test('a client that is cut off while it makes a key makes none', async () => {
    const client = await world.newClient([]);
    const cutOff = 'UPDATE oauth_clients SET "tokenEpoch" = "tokenEpoch" + 1 WHERE "clientId" = $1';
    const made = await overtaken(api.stores.pools.main, client.client_id, cutOff, () =>
      call('POST', '/v1/api-keys', { basic: client, json: { name: 'outlives it' } }),
    );
    expect([made.status, made.body.code]).toEqual([401, 'unauthenticated']);
    expect(await world.rows('SELECT 1 FROM api_keys WHERE client_id = $1', [client.client_id])).toEqual([]);
  });

  test('administrators see everybody’s and revoke with a reason that is recorded', async () => {
    const user = await newUser();
    const { id } = await makeKey({ bearer: user.bearer });
    expect((await call('GET', '/v1/admin/api-keys', { bearer: user.bearer })).status).toBe(403);
    const { body } = await call('GET', `/v1/admin/api-keys?user_id=${user.id}&limit=1`, { bearer: admin.bearer });
    expect(body.api_keys.map((key: Json) => key.api_key_id)).toEqual([id]);
    const revoke = (key: string) =>
      call('POST', `/v1/admin/api-keys/${key}/revoke`, { bearer: admin.bearer, json: { reason: 'found on a page' } });
    expect((await revoke(id)).body.api_key).toMatchObject({ state: 'revoked', revoke_reason: 'found on a page' });
    expect((await revoke('00000000-0000-7000-8000-000000000000')).status).toBe(404);
    const [event] = await world.rows(
      `SELECT actor_id, detail FROM audit_outbox WHERE type = 'api_key.revoked' AND target_id = $1`,
      [id],
    );
    expect(event).toMatchObject({ actor_id: admin.id, detail: { reason: 'found on a page', user_id: user.id } });
  });

  test('a list goes on where it ended, and an owner has at most fifty live keys', async () => {
    const client = await world.newClient([]);
    await world.rows(
      `INSERT INTO api_keys (id, name, owner_kind, client_id, owner_epoch, permissions, secret_hash, requests_per_minute, lifetime_seconds, expires_at)
       SELECT gen_random_uuid(), n::text, 'client', $1, 0, '{}', sha256(n::text::bytea), 1, 60, now() + interval '1 hour' FROM generate_series(1, 50) n`,
      [client.client_id],
    );
    const first = await call('GET', '/v1/api-keys?limit=30', { basic: client });
    const second = await call('GET', `/v1/api-keys?limit=30&cursor=${first.body.next}`, { basic: client });
    const ids = [...first.body.api_keys, ...second.body.api_keys].map((key: Json) => key.api_key_id);
    expect([new Set(ids).size, second.body.next]).toEqual([50, null]);
    expect((await call('GET', '/v1/admin/api-keys?limit=2', { bearer: admin.bearer })).body.next).not.toBeNull();
    expect((await call('GET', '/v1/api-keys?cursor=eA', { basic: client })).body.code).toBe('cursor_invalid');
    const more = await call('POST', '/v1/api-keys', { basic: client, json: { name: 'more' } });
    expect(more).toMatchObject({ status: 409, body: { code: 'api_key_too_many' } });
  });

  test('API4 keys that end at once count for a day: nobody makes rows without end', async () => {
    const client = await world.newClient([]);
    await world.rows(
      `INSERT INTO api_keys (id, name, owner_kind, client_id, owner_epoch, permissions, secret_hash, requests_per_minute,
         lifetime_seconds, created_at, expires_at, revoked_at)
       SELECT gen_random_uuid(), n::text, 'client', $1, 0, '{}', sha256(n::text::bytea), 1, 60, now() - n * interval '28 minutes',
         now() - interval '1 second', CASE WHEN n % 2 = 0 THEN now() END FROM generate_series(1, 50) n`,
      [client.client_id],
    );
    const more = (): Promise<Received> => call('POST', '/v1/api-keys', { basic: client, json: { name: 'more' } });
    expect(await more()).toMatchObject({ status: 409, body: { code: 'api_key_too_many' } });
    await world.rows(
      `UPDATE api_keys SET created_at = now() - interval '25 hours' WHERE client_id = $1 AND name = '50'`,
      [client.client_id],
    );
    expect((await more()).status).toBe(201);
    expect((await more()).status).toBe(409);
  });
});

describe('using a key', () => {
  test('has a limit of its own, said in headers', async () => {
    const { secret } = await makeKey({ bearer: admin.bearer }, { permissions: ['keys:read'], requests_per_minute: 2 });
    const limited = await world.startCopy({ hashes: false, env: { RATE_LIMIT_PROFILE: 'default' } });
    const ask = () => listWith(secret, limited);
    const answers = [await ask(), await ask(), await ask()];
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 429]);
    expect(answers[0]?.headers.get('ratelimit-policy')).toContain('"api-key";q=2;w=60');
    expect(answers[2]?.headers.get('retry-after')).toMatch(/^\d+$/);
  });

  test('is remembered for the list, by no write of the request', async () => {
    const user = await newUser('operator');
    const { id, secret } = await makeKey({ bearer: user.bearer }, { permissions: ['keys:read'] });
    for (let count = 0; count < 3; count += 1) expect((await listWith(secret)).status).toBe(200);
    expect((await own(user))[0]).toMatchObject({ uses: 0, last_used_at: null });
    await api.ports.apiKeyUses.flush();
    const [view] = await own(user);
    expect(view).toMatchObject({ api_key_id: id, uses: 3 });
    expect(Date.parse(view.last_used_at)).toBeGreaterThan(Date.now() - 600_000);
  });
});

describe('signed requests (RFC 9421)', () => {
  const pairs = {
    ES256: generateKeyPairSync('ec', { namedCurve: 'P-256' }),
    Ed25519: generateKeyPairSync('ed25519'),
  };

  function signed(
    key: KeyObject,
    keyId: string,
    method: string,
    path: string,
    json?: object,
    nonce = randomBytes(16).toString('hex'),
  ): Sent {
    const body = json === undefined ? undefined : JSON.stringify(json);
    const digest = body === undefined ? undefined : `sha-256=:${hash('sha256', body, 'base64')}:`;
    const covered = `("@method" "@target-uri"${digest === undefined ? '' : ' "content-digest"'})`;
    const params = `${covered};created=${Math.floor(Date.now() / 1_000)};nonce="${nonce}";keyid="${keyId}"`;
    const base = [
      `"@method": ${method}`,
      `"@target-uri": ${API_URL}${path}`,
      ...(digest === undefined ? [] : [`"content-digest": ${digest}`]),
      `"@signature-params": ${params}`,
    ].join('\n');
    const type = key.asymmetricKeyType === 'ec' ? 'sha256' : null;
    const signature = sign(type, Buffer.from(base), { key, dsaEncoding: 'ieee-p1363' }).toString('base64');
    return {
      ...(body === undefined ? {} : { body }),
      headers: {
        ...(digest === undefined ? {} : { 'content-digest': digest, 'content-type': 'application/json' }),
        'signature-input': `sig1=${params}`,
        signature: `sig1=:${signature}:`,
      },
    };
  }

  test.each(Object.keys(pairs) as (keyof typeof pairs)[])(
    '%s: signed passes once; unsigned, replayed and altered do not',
    async (name) => {
      const { publicKey, privateKey } = pairs[name];
      const { kty, crv, x, y } = publicKey.export({ format: 'jwk' });
      const { id, secret } = await makeKey(
        { bearer: admin.bearer },
        { permissions: ['keys:read', 'tokens:read'], public_key: { kty, crv, x, ...(y === undefined ? {} : { y }) } },
      );
      expect((await listWith(secret)).body.code).toBe('api_key_signature_invalid');
      const request = signed(privateKey, id, 'GET', '/v1/keys');
      expect((await call('GET', '/v1/keys', { ...request, bearer: secret })).status).toBe(200);
      expect((await call('GET', '/v1/keys', { ...request, bearer: secret, copy: other })).status).toBe(401);
      expect(
        (await call('GET', '/v1/tokens/stats', { ...signed(privateKey, id, 'GET', '/v1/keys'), bearer: secret }))
          .status,
      ).toBe(401);
      const path = '/v1/tokens/validate-batch';
      const withBody = signed(privateKey, id, 'POST', path, { token_ids: ['00000000-0000-7000-8000-000000000000'] });
      expect((await call('POST', path, { ...withBody, bearer: secret })).status).not.toBe(401);
      const once = signed(privateKey, id, 'GET', '/v1/keys');
      const racing = await Promise.all(
        Array.from({ length: 8 }, (_, at) =>
          call('GET', '/v1/keys', { ...once, bearer: secret, copy: at % 2 ? api : other }),
        ),
      );
      expect(racing.filter(({ status }) => status === 200)).toHaveLength(1);
    },
  );

  test('a public key that is none is refused', async () => {
    const point = randomBytes(32).toString('base64url');
    const answer = await call('POST', '/v1/api-keys', {
      bearer: admin.bearer,
      json: { name: 'bad', public_key: { kty: 'EC', crv: 'P-256', x: point, y: point } },
    });
    expect(answer).toMatchObject({ status: 400, body: { code: 'api_key_public_key_invalid' } });
  });
});
