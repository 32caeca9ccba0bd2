import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  claimsIn,
  clientToken,
  issueFor,
  newClient,
  type Pair,
  refresh,
  revoke,
  signIn,
  signUp,
  type TestUser,
  tampered,
  untilVerdict,
  verdictOn,
} from '../platform/testing/flows.ts';
import { expectProblem, type Received, type Sent, send } from '../platform/testing/http-client.ts';
import { eventually, type Product, queryRows } from '../platform/testing/product.ts';
import { type ProductWorld, startProductWorld } from '../platform/testing/product-world.ts';
import { openSigningKey, signAs } from '../platform/testing/signing-key.ts';

const GRACE_USES = 3;

let world: ProductWorld;
let product: Product;
let user: TestUser;
let other: TestUser;
let admin: TestUser;

beforeAll(async () => {
  world = await startProductWorld({ REFRESH_GRACE_USES: String(GRACE_USES), REFRESH_GRACE_SECONDS: '60' });
  product = world.product;
  [user, other, admin] = await Promise.all([
    signUp(product),
    signUp(product),
    signIn(product, product.credentials.admin),
  ]);
});
afterAll(() => world?.close());

const call: ProductWorld['call'] = (method, path, sent) => world.call(method, path, sent);
const post = (path: string, json: unknown, sent: Sent = {}): Promise<Received> => call('POST', path, { json, ...sent });
const byClient = (): Sent => ({ basic: product.credentials.client });
/** Moves the absolute and idle end of a login into the past, as time would. */
const expireFamily = (familyId: string): Promise<unknown> =>
  queryRows(
    world.databaseUrl,
    `UPDATE refresh_families SET idle_expires_at = now() - interval '1 second', rotated_at = now() - interval '1 day' WHERE id = $1`,
    [familyId],
  );
/** Ends the grace window of a login, as time would. */
const endGrace = (familyId: string): Promise<unknown> =>
  queryRows(world.databaseUrl, `UPDATE refresh_families SET rotated_at = now() - interval '1 day' WHERE id = $1`, [
    familyId,
  ]);

describe('POST /v1/tokens', () => {
  test('the session cookie gets 201 and the pair of that session; the login it replaces is over', async () => {
    const own = await signIn(product, product.credentials.user);
    const answer = await call('POST', '/v1/tokens', { cookie: own.cookie, headers: { origin: product.api } });
    expect(answer.status).toBe(201);
    const claims = claimsIn(answer.body.access_token);
    expect(claims).toMatchObject({
      iss: product.api,
      aud: product.api,
      sub: own.id,
      client_id: 'sallyport',
      sid: own.sessionId,
      email: own.email,
      roles: ['user'],
      permissions: [],
      scope: answer.body.scope,
    });
    expect(claims.exp - claims.iat).toBe(answer.body.expires_in);
    expect(claims.jti).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(await verdictOn(product, answer.body.access_token)).toBe('active');
    expectProblem(await refresh(product, own.tokens.refresh_token), 401, 'session_ended');
  });

  test('U9: a cookie alone, without Origin or double-submit token, gets nothing', async () => {
    expectProblem(await call('POST', '/v1/tokens', { cookie: user.cookie }), 403, 'origin_refused');
  });

  test('a client with tokens:issue gets 201 for a user, with audience, scope and device as asked', async () => {
    const audience = 'https://api.example.test';
    const members = { user_id: user.id, audience, scope: 'openid email', device: { id: 'd1', name: 'Phone' } };
    const answer = await post('/v1/tokens', members, byClient());
    expect([answer.status, answer.body.scope]).toEqual([201, 'openid email']);
    expect(claimsIn(answer.body.access_token)).toMatchObject({ sub: user.id, aud: audience, scope: 'openid email' });
    expect(claimsIn(answer.body.access_token)).not.toHaveProperty('sid');
    expect(await verdictOn(product, answer.body.access_token)).toBe('wrong_audience');
    expect(await verdictOn(product, answer.body.access_token, { audience })).toBe('active');
  });

  test('a device may be told by its name alone', async () => {
    expect((await post('/v1/tokens', { user_id: user.id, device: 'Phone of Ada' }, byClient())).status).toBe(201);
    const logins = await queryRows(
      product.credentials.database_url,
      `SELECT device FROM refresh_families WHERE user_id = $1 AND device ->> 'name' = 'Phone of Ada'`,
      [user.id],
    );
    expect(logins).toEqual([{ device: { name: 'Phone of Ada' } }]);
    for (const device of ['', 'x'.repeat(129), 'a\u0000b', 7, ['Phone']])
      expectProblem(await post('/v1/tokens', { user_id: user.id, device }, byClient()), 400, 'request_invalid');
  });

  test('refuses nobody’s, unknown users, foreign scopes and callers without the permission, each with its code', async () => {
    expectProblem(await post('/v1/tokens', {}, byClient()), 400, 'request_invalid');
    expectProblem(await post('/v1/tokens', { user_id: 'nobody' }, byClient()), 404, 'user_unknown');
    expectProblem(
      await post('/v1/tokens', { user_id: user.id, scope: 'keys:manage' }, byClient()),
      400,
      'scope_invalid',
    );
    const bearer = user.tokens.access_token;
    for (const user_id of [user.id, other.id, 'nobody'])
      expectProblem(await post('/v1/tokens', { user_id }, { bearer }), 403, 'permission_missing');
    const weak = await newClient(product);
    expectProblem(await post('/v1/tokens', { user_id: user.id }, { basic: weak }), 403, 'permission_missing');
    const wrong = { ...product.credentials.client, client_secret: 'wrong' };
    expectProblem(await post('/v1/tokens', { user_id: user.id }, { basic: wrong }), 401, 'client_unauthenticated');
  });

  test('an Idempotency-Key gets the same pair again, one login, and 422 for another body', async () => {
    const headers = { 'idempotency-key': randomUUID() };
    const body = { user_id: user.id };
    const answers = await Promise.all(
      Array.from({ length: 4 }, () => post('/v1/tokens', body, { ...byClient(), headers })),
    );
    expect(answers.map(({ status }) => status)).toEqual([201, 201, 201, 201]);
    expect(new Set(answers.map((answer) => answer.body.refresh_token)).size).toBe(1);
    expect(new Set(answers.map((answer) => claimsIn(answer.body.access_token).jti)).size).toBe(1);
    const different = { user_id: other.id };
    expectProblem(await post('/v1/tokens', different, { ...byClient(), headers }), 422, 'idempotency_key_reused');
    for (const key of ['', ' ', 'a'.repeat(256), 'é'.repeat(4)].filter((text) => text.trim() !== '')) {
      const answer = await send(product.api, 'POST', '/v1/tokens', {
        ...byClient(),
        json: body,
        headers: { 'idempotency-key': key },
      });
      expectProblem(answer, 400, 'request_invalid');
    }
    // Another caller's key of the same text is another key.
    const issuer = await newClient(product, { credentialScopes: ['tokens:issue'] });
    expect((await post('/v1/tokens', different, { basic: issuer, headers })).status).toBe(201);
  });
});

describe('POST /v1/tokens/refresh', () => {
  test('200 with a whole new pair; the old refresh token, in its grace, gets the same successor (T2)', async () => {
    const pair = await issueFor(product, user.id);
    const first = await post('/v1/tokens/refresh', { refresh_token: pair.refresh_token });
    expect(first.status).toBe(200);
    expect(Object.keys(first.body).sort()).toEqual(Object.keys(pair).sort());
    expect(first.body.refresh_token).not.toBe(pair.refresh_token);
    expect(claimsIn(first.body.access_token).jti).not.toBe(claimsIn(pair.access_token).jti);
    expect(claimsIn(first.body.access_token).fid).toBe(claimsIn(pair.access_token).fid);
    const retry = await post('/v1/tokens/refresh', { refresh_token: pair.refresh_token });
    expect([retry.status, retry.body.refresh_token]).toEqual([200, first.body.refresh_token]);
    // The access token of before lives on until it expires.
    expect(await verdictOn(product, pair.access_token)).toBe('active');
  });

  test('429 with Retry-After past the grace count, and nothing has ended', async () => {
    const pair = await issueFor(product, user.id);
    const { body } = await refresh(product, pair.refresh_token);
    for (let use = 0; use < GRACE_USES; use += 1) expect((await refresh(product, pair.refresh_token)).status).toBe(200);
    const over = await post('/v1/tokens/refresh', { refresh_token: pair.refresh_token });
    expectProblem(over, 429, 'refresh_grace_spent');
    expect((await refresh(product, body.refresh_token)).status).toBe(200);
  });

  test('T1: 401 refresh_token_reused for any older generation, in or out of grace time, and the login is dead at once', async () => {
    const pair = await issueFor(product, user.id);
    const second = (await refresh(product, pair.refresh_token)).body;
    const third = (await refresh(product, second.refresh_token)).body;
    expectProblem(await post('/v1/tokens/refresh', { refresh_token: pair.refresh_token }), 401, 'refresh_token_reused');
    for (const { refresh_token } of [third, second, pair])
      expectProblem(await refresh(product, refresh_token), 401, 'refresh_token_reused');
    for (const { access_token } of [pair, second, third]) await untilVerdict(product, access_token, 'family_reused');
  });

  test('T1: 401 refresh_token_reused for the previous generation once its grace time is over', async () => {
    const pair = await issueFor(product, user.id);
    const second = (await refresh(product, pair.refresh_token)).body;
    await endGrace(claimsIn(pair.access_token).fid);
    expectProblem(await refresh(product, pair.refresh_token), 401, 'refresh_token_reused');
    await untilVerdict(product, second.access_token, 'family_reused');
  });

  test('401 refresh_token_expired once the login has run out, and no kill', async () => {
    const pair = await issueFor(product, user.id);
    await expireFamily(claimsIn(pair.access_token).fid);
    expectProblem(
      await post('/v1/tokens/refresh', { refresh_token: pair.refresh_token }),
      401,
      'refresh_token_expired',
    );
    expect(await verdictOn(product, pair.access_token)).toBe('active');
  });

  test('401 refresh_token_invalid for whatever was not made here, and nothing has ended', async () => {
    const pair = await issueFor(product, user.id);
    const token = pair.refresh_token;
    const [kv, family, generation, nonce, mac] = token.split('.') as [string, string, string, string, string];
    for (const forged of [
      'x',
      'sp_rt_',
      tampered(token),
      `${token}x`,
      ` ${token}`,
      token.slice(0, -1),
      token.toUpperCase(),
      [kv, family, '1', nonce, mac].join('.'),
      [kv, family, '-1', nonce, mac].join('.'),
      [kv, family, '00', nonce, mac].join('.'),
      [kv, family, '9'.repeat(30), nonce, mac].join('.'),
      ['sp_rt_2', family, generation, nonce, mac].join('.'),
      ['sp_rt_99999', family, generation, nonce, mac].join('.'),
      [kv, family, generation, mac, mac].join('.'),
      [kv, Buffer.alloc(16).toString('base64url'), generation, nonce, mac].join('.'),
      pair.access_token,
    ])
      expectProblem(await post('/v1/tokens/refresh', { refresh_token: forged }), 401, 'refresh_token_invalid');
    expect((await refresh(product, token)).status).toBe(200);
  });

  test('401 session_ended after sign-out, revocation, or the next login of the same session and client', async () => {
    const pair = await issueFor(product, user.id);
    await revoke(product, { family_id: claimsIn(pair.access_token).fid });
    expectProblem(await post('/v1/tokens/refresh', { refresh_token: pair.refresh_token }), 401, 'session_ended');
  });

  test('T14: a narrower scope is for that access token alone, a wider one is refused', async () => {
    const pair = await issueFor(product, user.id, { scope: 'openid email' });
    const wider = await post('/v1/tokens/refresh', { refresh_token: pair.refresh_token, scope: 'openid profile' });
    expectProblem(wider, 400, 'scope_exceeded');
    const narrow = await post('/v1/tokens/refresh', { refresh_token: pair.refresh_token, scope: 'openid' });
    expect([narrow.status, narrow.body.scope]).toEqual([200, 'openid']);
    const again = await refresh(product, narrow.body.refresh_token);
    expect(again.body.scope).toBe('openid email');
  });
});

describe('POST /v1/tokens/validate', () => {
  test('active with the claims of the token, from the body or the Bearer header', async () => {
    const { access_token: token } = await issueFor(product, user.id);
    const expected = { active: true, claims: claimsIn(token) };
    const inBody = await post('/v1/tokens/validate', { token });
    expect([inBody.status, inBody.body]).toEqual([200, expected]);
    const inHeader = await call('POST', '/v1/tokens/validate', { bearer: token });
    expect([inHeader.status, inHeader.body]).toEqual([200, expected]);
    expect(
      (await post('/v1/tokens/validate', { token, audience: product.api, required_scope: 'openid email' })).body,
    ).toEqual(expected);
    expect((await call('POST', '/v1/tokens/validate')).body).toEqual({ active: false, reason: 'malformed' });
  });

  test('every reason of the contract is reached', async () => {
    const key = await openSigningKey(product);
    const { access_token: good } = await issueFor(product, user.id);
    const claims = claimsIn(good);
    const header = { alg: key.alg, kid: key.kid, typ: 'at+jwt' };
    const now = Math.floor(Date.now() / 1_000);
    const made = (changes: object): string => signAs(key, header, { ...claims, ...changes });
    expect(await verdictOn(product, made({}))).toBe('active');
    const feed = await call('GET', '/v1/revocations', byClient());

    const revoked = await issueFor(product, user.id);
    await revoke(product, { token: revoked.access_token });
    const session = await signIn(product, product.credentials.user);
    await revoke(product, { session_id: session.sessionId });
    const reused = await issueFor(product, user.id);
    const second = (await refresh(product, reused.refresh_token)).body;
    await refresh(product, second.refresh_token);
    await refresh(product, reused.refresh_token);
    await untilVerdict(product, second.access_token, 'family_reused');

    const seen: Record<string, string> = {
      malformed: await verdictOn(product, 'a.b.c'),
      unknown_key: await verdictOn(product, signAs(key, { ...header, kid: 'nobody' }, claims)),
      bad_signature: await verdictOn(product, tampered(good)),
      wrong_type: await verdictOn(product, feed.text),
      wrong_issuer: await verdictOn(product, made({ iss: 'https://evil.example' })),
      wrong_audience: await verdictOn(product, good, { audience: 'https://api.example.test' }),
      expired: await verdictOn(product, made({ iat: now - 1_000, exp: now - 100 })),
      not_yet_valid: await verdictOn(product, made({ nbf: now + 100 })),
      revoked: await verdictOn(product, revoked.access_token),
      session_ended: await verdictOn(product, session.tokens.access_token),
      family_reused: await verdictOn(product, second.access_token),
      binding_mismatch: await verdictOn(product, made({ cnf: { jkt: 'x' } })),
      insufficient_scope: await verdictOn(product, good, { required_scope: 'openid keys:manage' }),
    };
    const batch = await post('/v1/tokens/validate-batch', { token_ids: [randomUUID()] }, byClient());
    seen.unknown_id = batch.body.results[0].reason;
    expect(seen).toEqual(Object.fromEntries(Object.keys(seen).map((reason) => [reason, reason])));
    expect(await verdictOn(product, good)).toBe('active');
  });
});

describe('POST /v1/tokens/validate-batch', () => {
  test('tokens: one verdict for each, in order, the same as one by one', async () => {
    const [one, two] = [await issueFor(product, user.id), await issueFor(product, other.id)];
    const gone = await issueFor(product, user.id);
    await revoke(product, { token: gone.access_token });
    const tokens = [
      one.access_token,
      'x',
      gone.access_token,
      two.access_token,
      tampered(one.access_token),
      one.access_token,
    ];
    const { status, body } = await post('/v1/tokens/validate-batch', { tokens });
    expect(status).toBe(200);
    const single = await Promise.all(tokens.map((token) => post('/v1/tokens/validate', { token })));
    expect(body.results).toEqual(single.map((answer) => answer.body));
  });

  test('ids: by tokens:read alone, in order, and a revoked one is inactive', async () => {
    const [one, gone] = [await issueFor(product, user.id), await issueFor(product, user.id)];
    await revoke(product, { token: gone.access_token });
    const [kept, ended] = [one, gone].map(({ access_token }) => claimsIn(access_token).jti) as [string, string];
    const token_ids = [ended, 'unknown', kept];
    const answer = await eventually('the metadata to be stored', async () => {
      const { body, status } = await post('/v1/tokens/validate-batch', { token_ids }, byClient());
      return status === 200 && body.results[2].active && body;
    });
    expect(answer.results).toEqual([
      { active: false, reason: 'revoked' },
      { active: false, reason: 'unknown_id' },
      { active: true, claims: expect.objectContaining({ jti: kept, sub: user.id }) },
    ]);
    expectProblem(await post('/v1/tokens/validate-batch', { token_ids }), 403, 'permission_missing');
    const bearer = user.tokens.access_token;
    expectProblem(await post('/v1/tokens/validate-batch', { token_ids }, { bearer }), 403, 'permission_missing');
    expectProblem(await post('/v1/tokens/validate-batch', { token_ids }, { bearer: 'nobody' }), 401, 'unauthenticated');
  });

  test('A5: a thousand at most, of one kind', async () => {
    const many = Array.from({ length: 1_001 }, () => 'x');
    expectProblem(await post('/v1/tokens/validate-batch', { tokens: many }), 400, 'request_invalid');
    expectProblem(await post('/v1/tokens/validate-batch', { token_ids: many }, byClient()), 400, 'request_invalid');
    expectProblem(await post('/v1/tokens/validate-batch', { tokens: ['x'], token_ids: ['x'] }), 400, 'request_invalid');
    expectProblem(await post('/v1/tokens/validate-batch', {}), 400, 'request_invalid');
    expect((await post('/v1/tokens/validate-batch', { tokens: many.slice(1) })).body.results).toHaveLength(1_000);
    expect((await post('/v1/tokens/validate-batch', { tokens: [] })).body.results).toEqual([]);
  });
});

describe('metadata and statistics', () => {
  test('GET /v1/tokens/{token_id}: what is known of a token, and whether it is revoked; else 404', async () => {
    const { access_token } = await issueFor(product, user.id, { scope: 'openid profile' });
    const claims = claimsIn(access_token);
    const path = `/v1/tokens/${claims.jti}`;
    const known = await eventually('metadata', async () => {
      const answer = await call('GET', path, byClient());
      return answer.status === 200 && answer.body;
    });
    expect(known).toEqual({
      token_id: claims.jti,
      type: 'access',
      subject: user.id,
      user_id: user.id,
      client_id: product.credentials.client.client_id,
      audience: product.api,
      session_id: null,
      family_id: claims.fid,
      scope: 'openid profile',
      role: 'user',
      issued_at: new Date(claims.iat * 1_000).toISOString(),
      expires_at: new Date(claims.exp * 1_000).toISOString(),
      key_id: expect.any(String),
      revoked: false,
    });
    await revoke(product, { token_id: claims.jti });
    expect((await call('GET', path, byClient())).body.revoked).toBe(true);
    expectProblem(await call('GET', `/v1/tokens/${randomUUID()}`, byClient()), 404, 'token_unknown');
    expectProblem(await call('GET', path, { bearer: user.tokens.access_token }), 403, 'permission_missing');
    expectProblem(await call('GET', path), 401, 'unauthenticated');
  });

  test('GET /v1/tokens/stats moves by exactly what a scripted run did', async () => {
    const stats = async () => (await call('GET', '/v1/tokens/stats', byClient())).body;
    const before = await stats();
    const pairs = [];
    for (let count = 0; count < 5; count += 1) pairs.push(await issueFor(product, user.id));
    const [one, two, three, four, five] = pairs as [Pair, Pair, Pair, Pair, Pair];
    await clientToken(product);
    await clientToken(product);
    // Three rotations and one repetition.
    const second = (await refresh(product, one.refresh_token)).body;
    await refresh(product, one.refresh_token);
    await refresh(product, second.refresh_token);
    await refresh(product, two.refresh_token);
    // One replay, one family and one single token revoked, one login run out.
    await refresh(product, one.refresh_token);
    await revoke(product, { family_id: claimsIn(three.access_token).fid });
    await revoke(product, { token: four.access_token });
    await expireFamily(claimsIn(five.access_token).fid);
    const after = await stats();
    const moved = Object.fromEntries(Object.keys(after).map((name) => [name, after[name] - before[name]]));
    expect(moved).toEqual({ issued: 7, active: 2, refreshed: 3, revoked: 2, expired: 1, replays: 1 });
  });
});

// Last: it changes the key that signs.
describe('keys', () => {
  test('GET /v1/keys shows each key with its state and times, to keys:read alone', async () => {
    const answer = await call('GET', '/v1/keys', byClient());
    expect(answer.status).toBe(200);
    expect(answer.body.keys).toContainEqual(
      expect.objectContaining({ state: 'active', alg: 'RS256', kid: expect.any(String) }),
    );
    expect(answer.text).not.toMatch(/"(d|p|q|k|privateKey)"/);
    const bySession = await call('GET', '/v1/keys', { cookie: admin.cookie });
    expect(bySession.status).toBe(200);
  });

  test('POST /v1/keys/rotate publishes the next key now; it does not sign before its hold, and asking again makes no other', async () => {
    const { body: before } = await call('GET', '/.well-known/jwks.json');
    const rotated = await call('POST', '/v1/keys/rotate', byClient());
    expect([rotated.status, rotated.body.state, rotated.body.already_pending]).toEqual([202, 'pending', false]);
    const again = await call('POST', '/v1/keys/rotate', byClient());
    expect([again.status, again.body.kid, again.body.already_pending]).toEqual([202, rotated.body.kid, true]);
    const after = await eventually('the key to be published', async () => {
      const { body } = await call('GET', '/.well-known/jwks.json');
      return body.keys.some(({ kid }: { kid: string }) => kid === rotated.body.kid) && body;
    });
    expect(after.keys).toHaveLength(before.keys.length + 1);
    const { access_token } = await issueFor(product, user.id);
    const header = JSON.parse(Buffer.from(access_token.split('.')[0]!, 'base64url').toString());
    expect(header.kid).toBe(before.keys[0].kid);
    expect(header).toEqual({ alg: 'RS256', kid: before.keys[0].kid, typ: 'at+jwt' });
  });

  test('POST /v1/keys/{kid}/compromise: its tokens are refused at once, it leaves the key set, and new tokens are good', async () => {
    const { access_token: old } = await issueFor(product, user.id);
    const { kid } = JSON.parse(Buffer.from(old.split('.')[0]!, 'base64url').toString());
    expect((await post(`/v1/keys/unknown/compromise`, { reason: 'x' }, byClient())).status).toBe(404);
    const answer = await post(`/v1/keys/${kid}/compromise`, { reason: 'leaked' }, byClient());
    expect([answer.status, answer.body.state]).toEqual([202, 'compromised']);
    await untilVerdict(product, old, 'key_compromised');
    const { body } = await call('GET', '/.well-known/jwks.json');
    expect(body.keys.map((key: { kid: string }) => key.kid)).not.toContain(kid);
    const fresh = await issueFor(product, user.id);
    expect(await verdictOn(product, fresh.access_token)).toBe('active');
    const feed = await call('GET', '/v1/revocations', byClient());
    expect(claimsIn(feed.text).entries).toContainEqual(expect.objectContaining({ kind: 'key', value: kid }));
  });
});
