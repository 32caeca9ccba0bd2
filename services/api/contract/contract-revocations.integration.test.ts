import { randomUUID } from 'node:crypto';
import { request as httpRequest } from 'node:http';
import { compactVerify, createLocalJWKSet, decodeProtectedHeader } from 'jose';
import { describe, expect, test } from 'vitest';
import { loadConfig } from '#services/platform/config/load.ts';
import { eventually } from '#tools/testing/eventually.ts';
import {
  claimsIn,
  clientToken,
  issueFor,
  newClient,
  newEmail,
  newPassword,
  refresh,
  revoke,
  signIn,
  signUp,
  tampered,
  verdictOn,
} from '#tools/testing/flows/flows.ts';
import { startProductHarness } from '#tools/testing/harness/product.ts';
import {
  basicHeader,
  expectOAuthError,
  expectProblem,
  type Json,
  type Received,
  type Sent,
  send,
} from '#tools/testing/http-client.ts';
import { opened, partOf } from '#tools/testing/opened.ts';

const harness = opened(() => startProductHarness({ REVOCATION_STALENESS_MS: '30000' }));
const product = partOf(() => harness.product);
const user = opened(() => signUp(product));
const admin = opened(() => signIn(product, product.credentials.admin));

describe('POST /v1/tokens/revoke', () => {
  const pairWithIds = async (userId = user.id) => {
    const pair = await issueFor(product, userId);
    const { jti, fid } = claimsIn(pair.access_token);
    return { pair, jti, fid };
  };

  test('by token, token id, family or refresh token: refused by this copy as soon as the answer is sent', async () => {
    const epochs: number[] = [];
    for (const select of [
      ({ pair }: Awaited<ReturnType<typeof pairWithIds>>) => ({ token: pair.access_token }),
      ({ jti }: { jti: string }) => ({ token_id: jti }),
      ({ fid }: { fid: string }) => ({ family_id: fid }),
      ({ pair }: Awaited<ReturnType<typeof pairWithIds>>) => ({ token: pair.refresh_token }),
    ]) {
      const login = await pairWithIds();
      const answer = await harness.post('/v1/tokens/revoke', { ...select(login), reason: 'test' }, harness.byClient);
      expect(answer.status).toBe(200);
      epochs.push(answer.body.epoch);
      expect(['revoked', 'session_ended']).toContain(await verdictOn(product, login.pair.access_token));
    }
    expect(epochs).toEqual([...epochs].sort((a, b) => a - b));
    expect(new Set(epochs).size).toBe(epochs.length);
  });

  test('by session: its tokens and its cookie are refused', async () => {
    const own = await signIn(product, product.credentials.user);
    const answer = await harness.post(
      '/v1/tokens/revoke',
      { session_id: own.sessionId, reason: 'test' },
      harness.byClient,
    );
    expect(answer.status).toBe(200);
    expect(await verdictOn(product, own.tokens.access_token)).toBe('session_ended');
    expect((await harness.call('GET', '/api/auth/session', { cookie: own.cookie })).status).toBe(401);
    expectProblem(await refresh(product, own.tokens.refresh_token), 401, 'session_ended');
  });

  test('by user: everything the user had is refused, and new tokens are valid', async () => {
    const person = await signUp(product);
    const before = await issueFor(product, person.id);
    expect(
      (await harness.post('/v1/tokens/revoke', { user_id: person.id, reason: 'test' }, harness.byClient)).status,
    ).toBe(200);
    for (const { access_token, refresh_token } of [before, person.tokens]) {
      expect(await verdictOn(product, access_token)).toBe('revoked');
      expectProblem(await refresh(product, refresh_token), 401, 'session_ended');
    }
    expect((await harness.call('GET', '/api/auth/session', { cookie: person.cookie })).status).toBe(401);
    expect(await verdictOn(product, (await issueFor(product, person.id)).access_token)).toBe('active');
    const ofUnknown = await harness.post('/v1/tokens/revoke', { user_id: 'unknown', reason: 'x' }, harness.byClient);
    expectProblem(ofUnknown, 404, 'user_unknown');
  });

  test('by client: everything issued to it is refused, and its next token is valid', async () => {
    const client = await newClient(product, { credential_scopes: ['tokens:read'] });
    const form = { grant_type: 'client_credentials' };
    const token = async () =>
      (await send(product.api, 'POST', '/oauth2/token', { basic: client, form })).body.access_token;
    const before = await token();
    expect((await harness.call('GET', '/v1/tokens/stats', { bearer: before })).status).toBe(200);
    const answer = await harness.post(
      '/v1/tokens/revoke',
      { client_id: client.client_id, reason: 'test' },
      harness.byClient,
    );
    expect(answer.status).toBe(200);
    expect(await verdictOn(product, before)).toBe('revoked');
    expectProblem(await harness.call('GET', '/v1/tokens/stats', { bearer: before }), 401, 'unauthenticated');
    expect(await eventually('a living token', async () => (await verdictOn(product, await token())) === 'active')).toBe(
      true,
    );
    const unknown = await harness.post('/v1/tokens/revoke', { client_id: 'unknown', reason: 'x' }, harness.byClient);
    expectProblem(unknown, 404, 'client_unknown');
  });

  test('a user’s bearer revokes the user’s own token, token id, family or session; one already revoked is not an error', async () => {
    for (const selectorOf of [
      ({ jti }: { jti: string }) => ({ token_id: jti }),
      ({ fid }: { fid: string }) => ({ family_id: fid }),
      ({ token }: { token: string }) => ({ token }),
    ]) {
      const { access_token: token } = await issueFor(product, user.id);
      const { jti, fid } = claimsIn(token);
      const answer = await harness.post(
        '/v1/tokens/revoke',
        { ...selectorOf({ jti, fid, token }), reason: 'lost' },
        { bearer: token },
      );
      expect(answer.status).toBe(200);
      expect(await verdictOn(product, token)).not.toBe('active');
      const again = await harness.post('/v1/tokens/revoke', { token, reason: 'again' }, { bearer: token });
      expectProblem(again, 401, 'unauthenticated');
    }
    const person = await signIn(product, product.credentials.user);
    const bearer = person.tokens.access_token;
    expect(
      (await harness.post('/v1/tokens/revoke', { session_id: person.sessionId, reason: 'lost' }, { bearer })).status,
    ).toBe(200);
    expect(await verdictOn(product, bearer)).toBe('session_ended');
    const { access_token } = await issueFor(product, user.id);
    expect(
      (await harness.post('/v1/tokens/revoke', { token: 'rubbish', reason: 'x' }, { bearer: access_token })).status,
    ).toBe(200);
  });

  test('a bearer without tokens:revoke gets the same 403 for another user’s token whether it exists or not, and the token stays valid', async () => {
    const victim = await signUp(product, newEmail(), newPassword());
    const { jti, fid } = claimsIn(victim.tokens.access_token);
    const bearer = user.tokens.access_token;
    const cases: Record<string, string>[] = [
      { token: victim.tokens.access_token },
      { token: victim.tokens.refresh_token },
      { token_id: jti },
      { session_id: victim.sessionId },
      { family_id: fid },
      { user_id: victim.id },
      { client_id: 'sallyport' },
      { client_id: product.credentials.client.client_id },
      { token_id: randomUUID() },
      { session_id: 'unknown' },
      { family_id: randomUUID() },
      { family_id: 'not a uuid' },
      { user_id: 'unknown' },
      { client_id: 'unknown' },
    ];
    for (const selector of cases) {
      const answer = await harness.post('/v1/tokens/revoke', { ...selector, reason: 'malice' }, { bearer });
      expect([selector, answer.status, answer.body.code]).toEqual([selector, 403, 'permission_missing']);
    }
    expect(await verdictOn(product, victim.tokens.access_token)).toBe('active');
    expect((await refresh(product, victim.tokens.refresh_token)).status).toBe(200);
    // The administrator's bearer carries the permission.
    const byAdmin = await harness.post(
      '/v1/tokens/revoke',
      { session_id: victim.sessionId, reason: 'abuse' },
      { bearer: admin.tokens.access_token },
    );
    expect(byAdmin.status).toBe(200);
    expect(await verdictOn(product, victim.tokens.access_token)).toBe('session_ended');
  });

  test('exactly one target and a reason are required', async () => {
    for (const body of [
      {},
      { reason: 'x' },
      { token: 'x' },
      { token: 'x', reason: '' },
      { token: 'x', token_id: 'y', reason: 'x' },
      { everything: true, reason: 'x' },
      { token: 'x', reason: 'x'.repeat(257) },
    ])
      expectProblem(await harness.post('/v1/tokens/revoke', body, harness.byClient), 400, 'request_invalid');
  });
});

describe('POST /oauth2/revoke', () => {
  const end = (presented: string, sent: Sent): Promise<Received> =>
    harness.call('POST', '/oauth2/revoke', { form: { token: presented }, ...sent });

  test('RFC 7009: a client revokes its access token, or its refresh token with the access tokens; an unknown token is 200 too', async () => {
    const basic = product.credentials.client;
    const [one, two] = [await clientToken(product), await issueFor(product, user.id)];
    expect((await end(one, { basic })).status).toBe(200);
    expect(await verdictOn(product, one)).toBe('revoked');
    expect((await end(two.refresh_token, { basic })).status).toBe(200);
    expect(await verdictOn(product, two.access_token)).toBe('revoked');
    for (const unknown of ['x', tampered(one), two.refresh_token, one])
      expect((await end(unknown, { basic })).status).toBe(200);
  });

  test('another client’s token is refused and stays active; without a client 401', async () => {
    const other = await newClient(product, { credential_scopes: ['tokens:introspect', 'tokens:issue'] });
    const pair = await issueFor(product, user.id);
    const own = await clientToken(product);
    for (const presented of [pair.access_token, pair.refresh_token, own]) {
      expectOAuthError(await end(presented, { basic: other }), 400, 'invalid_grant', 'token_of_another_client');
      expectOAuthError(await end(presented, {}), 401, 'invalid_client', 'client_unauthenticated');
    }
    for (const presented of [pair.access_token, own]) expect(await verdictOn(product, presented)).toBe('active');
    expect((await refresh(product, pair.refresh_token)).status).toBe(200);
  });
});

describe('the revocation feed', () => {
  const read = async (query = ''): Promise<{ claims: Json; header: Json; answer: Received }> => {
    const answer = await harness.call('GET', `/v1/revocations${query}`, harness.byClient);
    expect([answer.status, answer.headers.get('content-type')]).toEqual([200, 'application/revocations+jwt']);
    return { claims: await verified(answer.text), header: decodeProtectedHeader(answer.text), answer };
  };
  const verified = async (jws: string): Promise<Json> => {
    const keySet = createLocalJWKSet((await send(product.api, 'GET', '/.well-known/jwks.json')).body);
    const { payload, protectedHeader } = await compactVerify(jws, keySet, { algorithms: ['RS256'] });
    expect(protectedHeader.typ).toBe('revocations+jwt');
    return JSON.parse(Buffer.from(payload).toString());
  };

  test('is a compact JWS that any JOSE library verifies with the published keys', async () => {
    const { claims, header } = await read();
    expect(header).toEqual({ alg: 'RS256', kid: expect.any(String), typ: 'revocations+jwt' });
    expect(loadConfig({}).stores.stalenessBoundMs).toBe(2_000);
    expect(claims).toMatchObject({
      iss: product.api,
      incarnation: expect.stringMatching(/^[0-9a-f-]{36}$/),
      epoch: expect.any(Number),
      since: 0,
      issued_at: expect.any(Number),
      max_staleness_s: 30,
      entries: expect.any(Array),
    });
    expect(claims.entries.map(({ epoch }: Json) => epoch)).toEqual(
      [...claims.entries.map(({ epoch }: Json) => epoch)].sort((a: number, b: number) => a - b),
    );
  });

  test('since an epoch it has the later revocations, each kind with its value; since another incarnation, all of them', async () => {
    const before = (await read()).claims;
    const person = await signUp(product);
    const pair = await issueFor(product, user.id);
    const { jti, fid } = claimsIn(pair.access_token);
    const client = await newClient(product);
    const epochs: number[] = [];
    const selectors: Record<string, string>[] = [
      { token_id: jti },
      { family_id: fid },
      { session_id: person.sessionId },
      { user_id: person.id },
      { client_id: client.client_id },
    ];
    for (const selector of selectors) epochs.push((await revoke(product, selector)).body.epoch);
    const { claims } = await read(`?since=${before.epoch}&incarnation=${before.incarnation}`);
    expect(claims.since).toBe(before.epoch);
    const found = claims.entries.map(({ kind, value }: Json) => `${kind} ${value}`);
    for (const entry of [
      `jti ${jti}`,
      `family ${fid}`,
      `sid ${person.sessionId}`,
      `user ${person.id}`,
      `client ${client.client_id}`,
    ])
      expect(found).toContain(entry);
    for (const entry of claims.entries) {
      expect(entry.epoch).toBeGreaterThan(before.epoch);
      expect(entry.expires_at).toBeGreaterThan(Date.now() / 1_000);
      expect(Number.isInteger(entry.token_epoch)).toBe(entry.kind === 'user' || entry.kind === 'client');
    }
    expect(claims.epoch).toBeGreaterThanOrEqual(Math.max(...epochs));
    const numbers = claims.entries.map(({ epoch }: Json) => epoch);
    expect(numbers).toEqual(Array.from({ length: numbers.length }, (_, index) => before.epoch + 1 + index));
    expect((await read(`?since=${claims.epoch}`)).claims.entries).toEqual([]);
    expect((await read(`?since=${claims.epoch}&incarnation=00000000-0000-4000-8000-000000000000`)).claims.since).toBe(
      0,
    );
    expect((await read(`?since=${claims.epoch + 1_000}`)).claims.since).toBe(0);
  });

  test('a feed answer is not accepted as an access token, nor an access token as a feed answer', async () => {
    const { answer } = await read();
    expect(await verdictOn(product, answer.text)).toBe('wrong_type');
    const stolen = await send(product.api, 'GET', '/v1/keys', { bearer: answer.text });
    expect(stolen.status).toBe(401);
  });

  test('the stream sends the current revocations, then each new one, with ids to resume from', async () => {
    const stream = await openStream('/v1/revocations/stream', {});
    expect(stream.headers).toMatchObject({
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store',
    });
    const first = await stream.next();
    const snapshot = await verified(first.data);
    expect(first).toMatchObject({ event: 'revocations', id: `${snapshot.incarnation}.${snapshot.epoch}` });
    const { jti } = claimsIn((await issueFor(product, user.id)).access_token);
    await revoke(product, { token_id: jti });
    const later = await eventually('the revocation on the stream', async () => {
      const event = await stream.next();
      const claims = await verified(event.data);
      return claims.entries.some(({ value }: Json) => value === jti) && { event, claims };
    });
    expect(later.claims.since).toBeGreaterThanOrEqual(snapshot.epoch);
    stream.close();
    const resumed = await openStream('/v1/revocations/stream', { 'last-event-id': first.id });
    const missed = await verified((await resumed.next()).data);
    expect(missed.since).toBe(snapshot.epoch);
    expect(missed.entries.map(({ value }: Json) => value)).toContain(jti);
    resumed.close();
  });

  type Event = { id: string; event: string; data: string };
  const openStream = (path: string, headers: Record<string, string>) =>
    new Promise<{ headers: Json; next(): Promise<Event>; close(): void }>((done, fail) => {
      const asked = httpRequest(product.api + path, {
        headers: { authorization: basicHeader(product.credentials.client), ...headers },
      });
      asked.on('error', fail);
      asked.on('response', (response) => {
        let text = '';
        const events: Event[] = [];
        response.on('data', (part) => {
          text += part;
          const blocks = text.split('\n\n');
          text = blocks.pop() ?? '';
          for (const block of blocks) {
            const fields = Object.fromEntries(block.split('\n').map((line) => line.split(/: (.*)/s, 2)));
            if (fields.data) events.push(fields as Event);
          }
        });
        response.on('error', () => {});
        done({
          headers: response.headers,
          next: () => eventually('an event', () => events.shift()),
          close: () => asked.destroy(),
        });
      });
      asked.end();
    });
});
