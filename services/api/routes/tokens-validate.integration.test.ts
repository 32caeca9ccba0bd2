import { randomUUID } from 'node:crypto';
import { decodeJwt } from 'jose';
import { describe, expect, test } from 'vitest';
import { newSignedIn } from '#tools/testing/flows/signed-in.ts';
import { openApiHarness } from '#tools/testing/harness/api.ts';
import { expectProblem, type Received, send } from '#tools/testing/http-client.ts';
import { opened } from '#tools/testing/opened.ts';

const harness = opened(() => openApiHarness());
const api = opened(() => harness.startCopy({ hashes: false }));
const trusted = opened(() => harness.newClient(['tokens:read', 'tokens:revoke']));

const newUser = () => newSignedIn(api);
const validate = (token: string, more: object = {}): Promise<Received> =>
  send(api.url, 'POST', '/v1/tokens/validate', { json: { token, ...more } });

describe('validate', () => {
  test('the Bearer header without a body answers like the body', async () => {
    const { access_token: token } = (await newUser()).tokens;
    const byHeader = await send(api.url, 'POST', '/v1/tokens/validate', { bearer: token });
    expect(byHeader.body).toEqual((await validate(token)).body);
    expect((await send(api.url, 'POST', '/v1/tokens/validate', {})).body).toEqual({
      active: false,
      reason: 'malformed',
    });
  });

  test('audience and scope are checked against the ones in the request', async () => {
    const { access_token: token } = (await newUser()).tokens;
    expect((await validate(token, { audience: 'https://foreign.test' })).body).toEqual({
      active: false,
      reason: 'wrong_audience',
    });
    expect((await validate(token, { required_scope: 'openid' })).body.active).toBe(true);
    expect((await validate(token, { required_scope: 'openid keys:read' })).body).toEqual({
      active: false,
      reason: 'insufficient_scope',
    });
  });

  test('hostile bodies are 4xx with a code, and the process stays up', async () => {
    const bodies = [
      ...'{"token":1} {"token":null} {} [] {"token":{"not":""}} {"token":"a","extra":1}'.split(' '),
      ...'{"token":"a","__proto__":{"x":1}}'.split(' '),
      `{"token":${'['.repeat(10_000)}${']'.repeat(10_000)}}`,
      '{"token":"a","context":{"ip":1}}',
      'not json',
      '',
    ];
    const post = (body: string, contentType = 'application/json'): Promise<Received> =>
      send(api.url, 'POST', '/v1/tokens/validate', { body, headers: { 'content-type': contentType } });
    for (const body of bodies) {
      const answer = await post(body);
      if (body === '') expect(answer.body).toEqual({ active: false, reason: 'malformed' });
      else {
        expect([body.slice(0, 30), answer.status]).toEqual([body.slice(0, 30), 400]);
        expect(answer.body).toHaveProperty('code');
      }
    }
    const huge = await post(JSON.stringify({ token: 'a'.repeat(70_000) }));
    expect([huge.status, huge.body.code]).toEqual([413, 'body_too_large']);
    expect((await post('x', 'text/plain')).status).toBe(415);
    expect((await send(api.url, 'GET', '/healthz')).status).toBe(200);
  });

  test('a token over 8 KB is malformed', async () =>
    expect((await validate(`a.${'b'.repeat(8_192)}.c`)).body).toEqual({ active: false, reason: 'malformed' }));
});

describe('validate-batch', () => {
  test('a hundred mixed ids give a hundred ordered answers in one round trip', async () => {
    const logins = await Promise.all([newUser(), newUser()]);
    const ids = logins.map(({ tokens }) => decodeJwt(tokens.access_token).jti as string);
    const asked = Array.from({ length: 100 }, (_, index) =>
      index % 3 === 2 ? randomUUID() : (ids[index % 3] as string),
    );
    let trips = 0;
    const { getMany } = api.stores.redis;
    api.stores.redis.getMany = (keys) => {
      trips += 1;
      return getMany(keys);
    };
    const answer = await send(api.url, 'POST', '/v1/tokens/validate-batch', {
      basic: trusted,
      json: { token_ids: asked },
    });
    api.stores.redis.getMany = getMany;
    expect(trips).toBe(1);
    expect(answer.body.results).toHaveLength(100);
    for (const [index, result] of answer.body.results.entries())
      if (index % 3 === 2) expect(result).toEqual({ active: false, reason: 'unknown_id' });
      else expect(result).toMatchObject({ active: true, claims: { jti: asked[index], sub: logins[index % 3]?.id } });
  });

  test('tokens need no credential and are answered in order; ids need tokens:read', async () => {
    const { access_token: token } = (await newUser()).tokens;
    const tokens = [token, 'rubbish', `${token.slice(0, -4)}AAAA`];
    const { body: batch } = await send(api.url, 'POST', '/v1/tokens/validate-batch', { json: { tokens } });
    expect(batch.results.map((result: { active: boolean; reason?: string }) => result.reason ?? result.active)).toEqual(
      [true, 'malformed', 'bad_signature'],
    );
    const anonymous = await send(api.url, 'POST', '/v1/tokens/validate-batch', { json: { token_ids: ['a'] } });
    expectProblem(anonymous, 401, 'unauthenticated');
    const both = await send(api.url, 'POST', '/v1/tokens/validate-batch', { json: { tokens: [], token_ids: [] } });
    expect(both.status).toBe(400);
    const many = await send(api.url, 'POST', '/v1/tokens/validate-batch', { json: { tokens: Array(1_001).fill('a') } });
    expect(many.status).toBe(400);
  });

  test('a thousand full tokens fit into the batch’s own body limit', async () => {
    const tokens = Array(1_000).fill((await newUser()).tokens.access_token);
    const { status, body } = await send(api.url, 'POST', '/v1/tokens/validate-batch', { json: { tokens } });
    expect([status, body.results.every((result: { active: boolean }) => result.active)]).toEqual([200, true]);
  });
});

describe('metadata', () => {
  test('metadata exists from issue on, is readable only with tokens:read, and an unknown id is 404', async () => {
    const { id: userId, sessionId, tokens } = await newUser();
    const { jti, iat } = decodeJwt(tokens.access_token);
    const found = await send(api.url, 'GET', `/v1/tokens/${jti}`, { basic: trusted });
    expect(found.body).toMatchObject({
      token_id: jti,
      user_id: userId,
      session_id: sessionId,
      type: 'access',
      role: 'user',
      issued_at: new Date((iat as number) * 1_000).toISOString(),
      revoked: false,
    });
    expect((await send(api.url, 'GET', `/v1/tokens/${randomUUID()}`, { basic: trusted })).body.code).toBe(
      'token_unknown',
    );
    const bearer = tokens.access_token;
    expect((await send(api.url, 'GET', `/v1/tokens/${jti}`, { bearer })).status).toBe(403);
    expect((await send(api.url, 'GET', `/v1/tokens/${jti}`, {})).status).toBe(401);
  });

  test('an attacker who writes to Redis can neither restore a revoked token, invent one nor stop a batch', async () => {
    const { redis } = api.stores;
    const [revoked, live] = await Promise.all([newUser(), newUser()]);
    const [{ jti, fid }, liveClaims] = [revoked, live].map(({ tokens }) => decodeJwt(tokens.access_token)) as [
      Record<string, string>,
      Record<string, string>,
    ];
    await send(api.url, 'POST', '/v1/tokens/revoke', { basic: trusted, json: { family_id: fid, reason: 'test' } });
    await send(api.url, 'GET', `/v1/tokens/${jti}`, { basic: trusted });
    const written = (await redis.get(`sallyport:token:${jti}`)) as string;
    const loose = JSON.stringify({ ...JSON.parse(written.slice(written.indexOf('{'))), familyId: null });
    const forgeries = [loose, written.slice(0, written.indexOf('{')) + loose, '{}', '{', 'null'];
    for (const forged of forgeries) {
      await redis.set(`sallyport:token:${jti}`, forged, 60);
      // A genuine value under another id.
      await redis.set('sallyport:token:invented', (await redis.get(`sallyport:token:${liveClaims.jti}`)) as string, 60);
      const { status, body: batch } = await send(api.url, 'POST', '/v1/tokens/validate-batch', {
        basic: trusted,
        json: { token_ids: [jti, 'invented', liveClaims.jti] },
      });
      expect([forged, status]).toEqual([forged, 200]);
      const unknown = { active: false, reason: 'unknown_id' };
      expect(batch.results).toEqual([unknown, unknown, expect.objectContaining({ active: true })]);
      expect((await send(api.url, 'GET', `/v1/tokens/${jti}`, { basic: trusted })).body.code).toBe('token_unknown');
    }
  });

  test('metadata contains no clear address or agent, and lives as long as the token', async () => {
    const { jti } = decodeJwt((await newUser()).tokens.access_token);
    // Asking by id first sends what still waits for its batch.
    await send(api.url, 'GET', `/v1/tokens/${jti}`, { basic: trusted });
    const text = (await api.stores.redis.get(`sallyport:token:${jti}`)) as string;
    expect(text).not.toContain('127.0.0.1');
    expect(JSON.parse(text.slice(text.indexOf('{'))).ipHash).toMatch(/^\d+\.[\w-]{22}$/);
  });
});
