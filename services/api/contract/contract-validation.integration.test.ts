import { randomUUID } from 'node:crypto';
import { decodeProtectedHeader } from 'jose';
import { describe, expect, test } from 'vitest';
import { eventually } from '#tools/testing/eventually.ts';
import { openSigningKey, signAs } from '#tools/testing/fixtures/signing-key.ts';
import {
  claimsIn,
  clientToken,
  issueFor,
  type Pair,
  refresh,
  revoke,
  signIn,
  signUp,
  tampered,
  untilVerdict,
  verdictOn,
} from '#tools/testing/flows/flows.ts';
import { expireFamily, startProductHarness } from '#tools/testing/harness/product.ts';
import { expectProblem } from '#tools/testing/http-client.ts';
import { opened, partOf } from '#tools/testing/opened.ts';

const harness = opened(() => startProductHarness());
const product = partOf(() => harness.product);
const user = opened(() => signUp(product));
const other = opened(() => signUp(product));
const admin = opened(() => signIn(product, product.credentials.admin));

describe('POST /v1/tokens/validate', () => {
  test('active with the token’s claims, from the body or the Bearer header', async () => {
    const { access_token: token } = await issueFor(product, user.id);
    const expected = { active: true, claims: claimsIn(token) };
    const inBody = await harness.post('/v1/tokens/validate', { token });
    expect([inBody.status, inBody.body]).toEqual([200, expected]);
    const inHeader = await harness.call('POST', '/v1/tokens/validate', { bearer: token });
    expect([inHeader.status, inHeader.body]).toEqual([200, expected]);
    expect(
      (await harness.post('/v1/tokens/validate', { token, audience: product.api, required_scope: 'openid email' }))
        .body,
    ).toEqual(expected);
    expect((await harness.call('POST', '/v1/tokens/validate')).body).toEqual({ active: false, reason: 'malformed' });
  });

  test('every reason of the contract occurs', async () => {
    const key = await openSigningKey(product);
    const { access_token: good } = await issueFor(product, user.id);
    const claims = claimsIn(good);
    const header = { alg: key.alg, kid: key.kid, typ: 'at+jwt' };
    const now = Math.floor(Date.now() / 1_000);
    const made = (changes: object): string => signAs(key, header, { ...claims, ...changes });
    expect(await verdictOn(product, made({}))).toBe('active');
    const feed = await harness.call('GET', '/v1/revocations', harness.byClient);

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
      unknown_key: await verdictOn(product, signAs(key, { ...header, kid: 'unknown' }, claims)),
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
    const batch = await harness.post('/v1/tokens/validate-batch', { token_ids: [randomUUID()] }, harness.byClient);
    seen.unknown_id = batch.body.results[0].reason;
    expect(seen).toEqual(Object.fromEntries(Object.keys(seen).map((reason) => [reason, reason])));
    expect(await verdictOn(product, good)).toBe('active');
  });
});

describe('POST /v1/tokens/validate-batch', () => {
  test('tokens: one decision for each, in order, the same as one by one', async () => {
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
    const { status, body } = await harness.post('/v1/tokens/validate-batch', { tokens });
    expect(status).toBe(200);
    const single = await Promise.all(tokens.map((token) => harness.post('/v1/tokens/validate', { token })));
    expect(body.results).toEqual(single.map((answer) => answer.body));
  });

  test('ids: needs only tokens:read, in order, and a revoked id is inactive', async () => {
    const [one, gone] = [await issueFor(product, user.id), await issueFor(product, user.id)];
    await revoke(product, { token: gone.access_token });
    const [kept, ended] = [one, gone].map(({ access_token }) => claimsIn(access_token).jti) as [string, string];
    const token_ids = [ended, 'unknown', kept];
    const answer = await eventually('the metadata to be stored', async () => {
      const { body, status } = await harness.post('/v1/tokens/validate-batch', { token_ids }, harness.byClient);
      return status === 200 && body.results[2].active && body;
    });
    expect(answer.results).toEqual([
      { active: false, reason: 'revoked' },
      { active: false, reason: 'unknown_id' },
      { active: true, claims: expect.objectContaining({ jti: kept, sub: user.id }) },
    ]);
    expectProblem(await harness.post('/v1/tokens/validate-batch', { token_ids }), 401, 'unauthenticated');
    const bearer = user.tokens.access_token;
    const byUser = await harness.post('/v1/tokens/validate-batch', { token_ids }, { bearer });
    expectProblem(byUser, 403, 'permission_missing');
    const byUnknown = await harness.post('/v1/tokens/validate-batch', { token_ids }, { bearer: 'unknown' });
    expectProblem(byUnknown, 401, 'unauthenticated');
  });

  test('a batch has at most a thousand tokens or ids, all of one kind', async () => {
    const many = Array.from({ length: 1_001 }, () => 'x');
    expectProblem(await harness.post('/v1/tokens/validate-batch', { tokens: many }), 400, 'request_invalid');
    const tooMany = await harness.post('/v1/tokens/validate-batch', { token_ids: many }, harness.byClient);
    expectProblem(tooMany, 400, 'request_invalid');
    const both = await harness.post('/v1/tokens/validate-batch', { tokens: ['x'], token_ids: ['x'] });
    expectProblem(both, 400, 'request_invalid');
    expectProblem(await harness.post('/v1/tokens/validate-batch', {}), 400, 'request_invalid');
    expect((await harness.post('/v1/tokens/validate-batch', { tokens: many.slice(1) })).body.results).toHaveLength(
      1_000,
    );
    expect((await harness.post('/v1/tokens/validate-batch', { tokens: [] })).body.results).toEqual([]);
  });
});

describe('metadata and statistics', () => {
  test('GET /v1/tokens/{token_id}: the stored metadata and whether the token is revoked; else 404', async () => {
    const { access_token } = await issueFor(product, user.id, { scope: 'openid profile' });
    const claims = claimsIn(access_token);
    const path = `/v1/tokens/${claims.jti}`;
    const known = await eventually('metadata', async () => {
      const answer = await harness.call('GET', path, harness.byClient);
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
      role: null,
      issued_at: new Date(claims.iat * 1_000).toISOString(),
      expires_at: new Date(claims.exp * 1_000).toISOString(),
      key_id: expect.any(String),
      revoked: false,
    });
    await revoke(product, { token_id: claims.jti });
    expect((await harness.call('GET', path, harness.byClient)).body.revoked).toBe(true);
    expectProblem(await harness.call('GET', `/v1/tokens/${randomUUID()}`, harness.byClient), 404, 'token_unknown');
    expectProblem(await harness.call('GET', path, { bearer: user.tokens.access_token }), 403, 'permission_missing');
    expectProblem(await harness.call('GET', path), 401, 'unauthenticated');
  });

  test('GET /v1/tokens/stats changes by exactly what a scripted run did', async () => {
    const stats = async () => (await harness.call('GET', '/v1/tokens/stats', harness.byClient)).body;
    const before = await stats();
    const pairs = [];
    for (let count = 0; count < 5; count += 1) pairs.push(await issueFor(product, user.id));
    const [one, two, three, four, five] = pairs as [Pair, Pair, Pair, Pair, Pair];
    await clientToken(product);
    await clientToken(product);
    // Three rotations and one repeat within the grace window.
    const second = (await refresh(product, one.refresh_token)).body;
    await refresh(product, one.refresh_token);
    await refresh(product, second.refresh_token);
    await refresh(product, two.refresh_token);
    // One replay, one family and one single token revoked, one family expired.
    await refresh(product, one.refresh_token);
    await revoke(product, { family_id: claimsIn(three.access_token).fid });
    await revoke(product, { token: four.access_token });
    await expireFamily(harness, claimsIn(five.access_token).fid);
    const after = await stats();
    const moved = Object.fromEntries(Object.keys(after).map((name) => [name, after[name] - before[name]]));
    expect(moved).toEqual({ issued: 7, active: 2, refreshed: 3, revoked: 2, expired: 1, replays: 1 });
  });
});

// Last, because it changes the signing key.
describe('keys', () => {
  test('GET /v1/keys shows each key with its state and times, only with keys:read', async () => {
    const answer = await harness.call('GET', '/v1/keys', harness.byClient);
    expect(answer.status).toBe(200);
    expect(answer.body.keys).toContainEqual(
      expect.objectContaining({ state: 'active', alg: 'RS256', kid: expect.any(String) }),
    );
    expect(answer.text).not.toMatch(/"(d|p|q|k|privateKey)"/);
    const bySession = await harness.call('GET', '/v1/keys', { cookie: admin.cookie });
    expect(bySession.status).toBe(200);
  });

  test('POST /v1/keys/rotate publishes the next key now; it signs only after its hold period, and a second call adds no key', async () => {
    const { body: before } = await harness.call('GET', '/.well-known/jwks.json');
    const rotated = await harness.call('POST', '/v1/keys/rotate', harness.byClient);
    expect([rotated.status, rotated.body.state, rotated.body.already_pending]).toEqual([202, 'pending', false]);
    const again = await harness.call('POST', '/v1/keys/rotate', harness.byClient);
    expect([again.status, again.body.kid, again.body.already_pending]).toEqual([202, rotated.body.kid, true]);
    const after = await eventually('the key to be published', async () => {
      const { body } = await harness.call('GET', '/.well-known/jwks.json');
      return body.keys.some(({ kid }: { kid: string }) => kid === rotated.body.kid) && body;
    });
    expect(after.keys).toHaveLength(before.keys.length + 1);
    const { access_token } = await issueFor(product, user.id);
    const header = decodeProtectedHeader(access_token);
    expect(header.kid).toBe(before.keys[0].kid);
    expect(header).toEqual({ alg: 'RS256', kid: before.keys[0].kid, typ: 'at+jwt' });
  });

  test('POST /v1/keys/{kid}/compromise: its tokens are refused at once, it leaves the key set, and new tokens are valid', async () => {
    const { access_token: old } = await issueFor(product, user.id);
    const { kid } = decodeProtectedHeader(old);
    expect((await harness.post(`/v1/keys/unknown/compromise`, { reason: 'x' }, harness.byClient)).status).toBe(404);
    const answer = await harness.post(`/v1/keys/${kid}/compromise`, { reason: 'leaked' }, harness.byClient);
    expect([answer.status, answer.body.state]).toEqual([202, 'compromised']);
    await untilVerdict(product, old, 'key_compromised');
    const { body } = await harness.call('GET', '/.well-known/jwks.json');
    expect(body.keys.map((key: { kid: string }) => key.kid)).not.toContain(kid);
    const fresh = await issueFor(product, user.id);
    expect(await verdictOn(product, fresh.access_token)).toBe('active');
    const feed = await harness.call('GET', '/v1/revocations', harness.byClient);
    expect(claimsIn(feed.text).entries).toContainEqual(expect.objectContaining({ kind: 'key', value: kid }));
  });
});
