import { randomUUID } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import {
  claimsIn,
  issueFor,
  newClient,
  refresh,
  revoke,
  signIn,
  signUp,
  tampered,
  untilVerdict,
  verdictOn,
} from '#tools/testing/flows/flows.ts';
import { queryRows } from '#tools/testing/harness/ports.ts';
import { expireFamily, startProductHarness } from '#tools/testing/harness/product.ts';
import { expectProblem, send } from '#tools/testing/http-client.ts';
import { opened, partOf } from '#tools/testing/opened.ts';

const GRACE_USES = 3;

const harness = opened(() =>
  startProductHarness({ REFRESH_GRACE_USES: String(GRACE_USES), REFRESH_GRACE_SECONDS: '60' }),
);
const product = partOf(() => harness.product);
const user = opened(() => signUp(product));
const other = opened(() => signUp(product));

/** Ends the grace window of a token family, as time would. */
const endGrace = (familyId: string): Promise<unknown> =>
  queryRows(harness.databaseUrl)`UPDATE refresh_families SET rotated_at = now() - interval '1 day'
    WHERE id = ${familyId}`;

describe('POST /v1/tokens', () => {
  test('the session cookie gets 201 and a token pair for that session, and revokes the session’s previous token family', async () => {
    const own = await signIn(product, product.credentials.user);
    const answer = await harness.call('POST', '/v1/tokens', { cookie: own.cookie, headers: { origin: product.api } });
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

  test('a cookie without Origin or double-submit token gets no tokens', async () =>
    expectProblem(await harness.call('POST', '/v1/tokens', { cookie: user.cookie }), 403, 'origin_refused'));

  test('a client with tokens:issue gets 201 for a user, with audience, scope and device as requested', async () => {
    const audience = 'https://api.example.test';
    const members = { user_id: user.id, audience, scope: 'openid email', device: { id: 'd1', name: 'Phone' } };
    const answer = await harness.post('/v1/tokens', members, harness.byClient);
    expect([answer.status, answer.body.scope]).toEqual([201, 'openid email']);
    expect(claimsIn(answer.body.access_token)).toMatchObject({ sub: user.id, aud: audience, scope: 'openid email' });
    expect(claimsIn(answer.body.access_token)).not.toHaveProperty('sid');
    expect(await verdictOn(product, answer.body.access_token)).toBe('wrong_audience');
    expect(await verdictOn(product, answer.body.access_token, { audience })).toBe('active');
  });

  test('a device may be given by its name alone', async () => {
    expect(
      (await harness.post('/v1/tokens', { user_id: user.id, device: 'Phone of Ada' }, harness.byClient)).status,
    ).toBe(201);
    const logins = await queryRows(product.credentials.database_url)`SELECT device FROM refresh_families
      WHERE user_id = ${user.id} AND device ->> 'name' = 'Phone of Ada'`;
    expect(logins).toEqual([{ device: { name: 'Phone of Ada' } }]);
    for (const device of ['', 'x'.repeat(129), 'a\u0000b', 7, ['Phone']]) {
      const badDevice = await harness.post('/v1/tokens', { user_id: user.id, device }, harness.byClient);
      expectProblem(badDevice, 400, 'request_invalid');
    }
  });

  test('an unknown user, another user’s scopes, a missing user and a missing permission are each refused with their own code', async () => {
    expectProblem(await harness.post('/v1/tokens', {}, harness.byClient), 400, 'request_invalid');
    expectProblem(await harness.post('/v1/tokens', { user_id: 'unknown' }, harness.byClient), 404, 'user_unknown');
    const wider = await harness.post('/v1/tokens', { user_id: user.id, scope: 'keys:manage' }, harness.byClient);
    expectProblem(wider, 400, 'scope_invalid');
    const bearer = user.tokens.access_token;
    for (const user_id of [user.id, other.id, 'unknown'])
      expectProblem(await harness.post('/v1/tokens', { user_id }, { bearer }), 403, 'permission_missing');
    const weak = await newClient(product);
    expectProblem(await harness.post('/v1/tokens', { user_id: user.id }, { basic: weak }), 403, 'permission_missing');
    const wrong = { ...product.credentials.client, client_secret: 'wrong' };
    const byWrong = await harness.post('/v1/tokens', { user_id: user.id }, { basic: wrong });
    expectProblem(byWrong, 401, 'client_unauthenticated');
  });

  test('an Idempotency-Key returns the same pair again from one token family, and 422 for another body', async () => {
    const headers = { 'idempotency-key': randomUUID() };
    const body = { user_id: user.id };
    const answers = await Promise.all(
      Array.from({ length: 4 }, () => harness.post('/v1/tokens', body, { ...harness.byClient, headers })),
    );
    expect(answers.map(({ status }) => status)).toEqual([201, 201, 201, 201]);
    expect(new Set(answers.map((answer) => answer.body.refresh_token)).size).toBe(1);
    expect(new Set(answers.map((answer) => claimsIn(answer.body.access_token).jti)).size).toBe(1);
    const different = { user_id: other.id };
    const changed = await harness.post('/v1/tokens', different, { ...harness.byClient, headers });
    expectProblem(changed, 422, 'idempotency_key_reused');
    for (const key of ['', ' ', 'a'.repeat(256), 'é'.repeat(4)].filter((text) => text.trim() !== '')) {
      const answer = await send(product.api, 'POST', '/v1/tokens', {
        ...harness.byClient,
        json: body,
        headers: { 'idempotency-key': key },
      });
      expectProblem(answer, 400, 'request_invalid');
    }
    // The same key text from another caller is another key.
    const issuer = await newClient(product, { credential_scopes: ['tokens:issue'] });
    expect((await harness.post('/v1/tokens', different, { basic: issuer, headers })).status).toBe(201);
  });
});

describe('POST /v1/tokens/refresh', () => {
  test('200 with a new pair; within the grace window the old refresh token gets the same successor', async () => {
    const pair = await issueFor(product, user.id);
    const first = await harness.post('/v1/tokens/refresh', { refresh_token: pair.refresh_token });
    expect([first.status, Object.keys(first.body).sort()]).toEqual([200, Object.keys(pair).sort()]);
    expect(first.body.refresh_token).not.toBe(pair.refresh_token);
    expect(claimsIn(first.body.access_token).jti).not.toBe(claimsIn(pair.access_token).jti);
    expect(claimsIn(first.body.access_token).fid).toBe(claimsIn(pair.access_token).fid);
    const retry = await harness.post('/v1/tokens/refresh', { refresh_token: pair.refresh_token });
    expect([retry.status, retry.body.refresh_token]).toEqual([200, first.body.refresh_token]);
    // The previous access token stays valid until it expires.
    expect(await verdictOn(product, pair.access_token)).toBe('active');
  });

  test('429 with Retry-After beyond the grace count, and nothing is revoked', async () => {
    const pair = await issueFor(product, user.id);
    const { body } = await refresh(product, pair.refresh_token);
    for (let use = 0; use < GRACE_USES; use += 1) expect((await refresh(product, pair.refresh_token)).status).toBe(200);
    const over = await harness.post('/v1/tokens/refresh', { refresh_token: pair.refresh_token });
    expectProblem(over, 429, 'refresh_grace_spent');
    expect((await refresh(product, body.refresh_token)).status).toBe(200);
  });

  test('401 refresh_token_reused for any older generation, within the grace window or not, and the family is revoked at once', async () => {
    const pair = await issueFor(product, user.id);
    const second = (await refresh(product, pair.refresh_token)).body;
    const third = (await refresh(product, second.refresh_token)).body;
    const replay = await harness.post('/v1/tokens/refresh', { refresh_token: pair.refresh_token });
    expectProblem(replay, 401, 'refresh_token_reused');
    for (const { refresh_token } of [third, second, pair])
      expectProblem(await refresh(product, refresh_token), 401, 'refresh_token_reused');
    for (const { access_token } of [pair, second, third]) await untilVerdict(product, access_token, 'family_reused');
  });

  test('401 refresh_token_reused for the previous generation once its grace window has ended', async () => {
    const pair = await issueFor(product, user.id);
    const second = (await refresh(product, pair.refresh_token)).body;
    await endGrace(claimsIn(pair.access_token).fid);
    expectProblem(await refresh(product, pair.refresh_token), 401, 'refresh_token_reused');
    await untilVerdict(product, second.access_token, 'family_reused');
  });

  test('401 refresh_token_expired once the token family has expired, without a revocation', async () => {
    const pair = await issueFor(product, user.id);
    await expireFamily(harness, claimsIn(pair.access_token).fid);
    const late = await harness.post('/v1/tokens/refresh', { refresh_token: pair.refresh_token });
    expectProblem(late, 401, 'refresh_token_expired');
    expect(await verdictOn(product, pair.access_token)).toBe('active');
  });

  test('401 refresh_token_invalid for a token that was not issued here, and nothing is revoked', async () => {
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
      expectProblem(await harness.post('/v1/tokens/refresh', { refresh_token: forged }), 401, 'refresh_token_invalid');
    expect((await refresh(product, token)).status).toBe(200);
  });

  test('401 session_ended after sign-out, revocation, or the next token family of the same session and client', async () => {
    const pair = await issueFor(product, user.id);
    await revoke(product, { family_id: claimsIn(pair.access_token).fid });
    const ended = await harness.post('/v1/tokens/refresh', { refresh_token: pair.refresh_token });
    expectProblem(ended, 401, 'session_ended');
  });

  test('a narrower scope applies to that access token only, and a wider one is refused', async () => {
    const pair = await issueFor(product, user.id, { scope: 'openid email' });
    const wider = await harness.post('/v1/tokens/refresh', {
      refresh_token: pair.refresh_token,
      scope: 'openid profile',
    });
    expectProblem(wider, 400, 'scope_exceeded');
    const narrow = await harness.post('/v1/tokens/refresh', { refresh_token: pair.refresh_token, scope: 'openid' });
    expect([narrow.status, narrow.body.scope]).toEqual([200, 'openid']);
    const again = await refresh(product, narrow.body.refresh_token);
    expect(again.body.scope).toBe('openid email');
  });
});
