import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { signAs } from '#tools/testing/fixtures/signing-key.ts';
import { issueFor, revoke, tampered, untilVerdict, verdictOn } from '#tools/testing/flows/flows.ts';
import { send } from '#tools/testing/http-client.ts';
import {
  expectRejected,
  type ForgedHarness,
  headerOf,
  openForgedHarness,
  own,
  type Target,
} from './forged-tokens-harness.ts';

let harness: ForgedHarness;
/** One product for each key type. */
let rsa: Target;
let ec: Target;

beforeAll(async () => {
  harness = await openForgedHarness();
  ({ rsa, ec } = harness);
});
afterAll(() => harness?.close());
afterEach(() => harness.expectUnharmed());

const now = (): number => Math.floor(Date.now() / 1_000);

test('rejects critical extensions and unencoded payloads (CVE-2026-35042, fast-jwt: critical extensions that it did not know were ignored)', async () => {
  for (const target of [rsa, ec])
    for (const member of [
      { crit: ['x'], x: 1 },
      { crit: [] },
      { crit: ['exp'], exp: 1 },
      { crit: ['b64'], b64: false },
      { b64: false },
      { b64: true, crit: ['b64'] },
      { crit: 'x' },
      { crit: null },
    ])
      await expectRejected(target, member, own(target, {}, member));
});

test('rejects every other token type with a valid signature: ID token, logout token, plain JWT, none, revocation feed, refresh token (GHSA-7fpj-9hr8-28vh, Keycloak: a logout token was exchanged for an access token)', async () => {
  for (const target of [rsa, ec])
    for (const typ of [
      'JWT',
      'jwt',
      'id_token',
      'logout+jwt',
      'dpop+jwt',
      'revocations+jwt',
      'application/jwt',
      'at+jwt ',
      ' at+jwt',
      'at+jwt\0',
      'at',
      '',
      undefined,
      null,
      1,
      ['at+jwt'],
    ])
      await expectRejected(target, typ, own(target, {}, { typ }));
  const feed = await send(rsa.product.api, 'GET', '/v1/revocations', { basic: rsa.product.credentials.client });
  await expectRejected(rsa, 'feed', feed.text, 'wrong_type');
  expect(await verdictOn(rsa.product, rsa.admin.tokens.refresh_token)).toBe('malformed');
  const route = await send(rsa.product.api, 'GET', '/v1/keys', { bearer: rsa.admin.tokens.refresh_token });
  expect(route.status).toBe(401);
});

test('rejects a wrong audience or issuer and a missing required claim', async () => {
  for (const target of [rsa, ec]) {
    const { api } = target.product;
    for (const aud of [undefined, null, '', [], [''], 1, {}, [1], [[api]], { [api]: true }])
      await expectRejected(target, { aud }, own(target, { aud }));
    for (const aud of [
      'https://api.example.test',
      ['https://api.example.test'],
      `${api}/`,
      api.toUpperCase(),
      `${api} x`,
    ])
      await expectRejected(target, { aud }, own(target, { aud }), 'wrong_audience');
    for (const iss of ['https://evil.example', `${api}/`, `${api}.evil.example`, api.toUpperCase(), ` ${api}`])
      await expectRejected(target, { iss }, own(target, { iss }), 'wrong_issuer');
    for (const name of ['iss', 'aud', 'sub', 'client_id', 'iat', 'exp', 'jti'])
      for (const value of [undefined, null, '', [], {}, true])
        await expectRejected(target, { [name]: value }, own(target, { [name]: value }), 'malformed');
    expect(await verdictOn(target.product, own(target, { aud: ['https://other.example', api] }))).toBe('active');
  }
});

test('rejects expired tokens, tokens not yet valid, and malformed times (CVE-2026-54238, Supabase Realtime: an expiry written as text never came)', async () => {
  for (const target of [rsa, ec]) {
    await expectRejected(target, 'expired', own(target, { exp: now() - 1 }), 'expired');
    await expectRejected(target, 'nbf ahead', own(target, { nbf: now() + 120 }), 'not_yet_valid');
    await expectRejected(target, 'iat ahead', own(target, { iat: now() + 120 }), 'not_yet_valid');
    for (const exp of ['9', '99999999999', 1e308, -1, 1.5, [now() + 900], { valueOf: now() + 900 }, true, 'Infinity'])
      await expectRejected(target, { exp }, own(target, { exp }));
    for (const text of ['1e999', '-0.5', '99999999999999999999', 'Infinity', 'NaN', '0x7fffffff'])
      await expectRejected(
        target,
        text,
        signAs(target.key, headerOf(target), JSON.stringify(target.claims).replace(/"exp":\d+/, `"exp":${text}`)),
      );
    for (const nbf of ['0', null, [], 1e308]) await expectRejected(target, { nbf }, own(target, { nbf }));
  }
});

test('rejects a correctly signed payload that is not an object (CVE-2026-107723, fast-jwt: a list as payload has no claims, so none was checked)', async () => {
  for (const target of [rsa, ec])
    for (const payload of [
      '[]',
      'null',
      '"x"',
      '1',
      'true',
      '',
      ' ',
      '{',
      '{}x',
      '[{}]',
      JSON.stringify([target.claims]),
      `${JSON.stringify(target.claims)} x`,
      '{}',
    ])
      await expectRejected(
        target,
        payload.slice(0, 20),
        signAs(target.key, headerOf(target), payload === '' ? ' ' : payload),
        'malformed',
      );
});

test('rejects duplicate names in header or claims, however they are escaped', async () => {
  for (const target of [rsa, ec]) {
    const claims = JSON.stringify(target.claims);
    const doubled = (text: string): string => `${claims.slice(0, -1)},${text}}`;
    for (const payload of [
      doubled('"sub":"admin"'),
      doubled(`"exp":${now() + 9_999}`),
      doubled('"s\\u0075b":"admin"'),
      doubled('"permissions":["keys:manage"]'),
      doubled('"x":{"a":1,"a":2}'),
      doubled('"x":1,"x":1'),
    ])
      await expectRejected(target, payload.slice(-40), signAs(target.key, headerOf(target), payload), 'malformed');
    const header = JSON.stringify(headerOf(target));
    for (const member of [
      '"alg":"none"',
      `"alg":"${target.key.alg}"`,
      '"\\u0061lg":"none"',
      `"kid":"${target.key.kid}"`,
      '"typ":"JWT"',
      '"__proto__":{"alg":"none"}',
    ])
      await expectRejected(
        target,
        member,
        signAs(target.key, `${header.slice(0, -1)},${member}}`, claims),
        'malformed',
      );
    await expectRejected(
      target,
      '__proto__',
      signAs(target.key, headerOf(target), doubled('"__proto__":{"permissions":["x"]},"__proto__":1')),
      'malformed',
    );
  }
});

test('rejects tokens longer than 8 KB or nested thousands of levels deep (CVE-2025-30204, golang-jwt: a token of periods alone took sixteen times its size in memory)', async () => {
  const deep = '['.repeat(2_500) + ']'.repeat(2_500);
  for (const target of [rsa, ec]) {
    await expectRejected(target, 'long', own(target, { pad: 'x'.repeat(8_192) }), 'malformed');
    await expectRejected(target, 'deep claims', signAs(target.key, headerOf(target), `{"x":${deep}}`), 'malformed');
    await expectRejected(
      target,
      'deep header',
      signAs(target.key, `{"x":${'['.repeat(200)}${']'.repeat(200)}}`, target.claims),
      'malformed',
    );
    await expectRejected(
      target,
      'open brackets',
      signAs(target.key, headerOf(target), '{"x":'.repeat(1_000)),
      'malformed',
    );
  }
  const huge = `${'a'.repeat(30_000)}.${'b'.repeat(30_000)}.c`;
  expect(await verdictOn(rsa.product, huge)).toBe('malformed');
  expect(await verdictOn(rsa.product, '.'.repeat(60_000))).toBe('malformed');
  expect(await verdictOn(rsa.product, 'x'.repeat(100_000))).toBe('body_too_large');
  expect((await send(rsa.product.api, 'GET', '/v1/keys', { bearer: 'a'.repeat(9_000) })).status).toBe(401);
});

test('rejects a key-bound token presented without its key', async () => {
  for (const cnf of [{ jkt: 'x' }, { 'x5t#S256': 'x' }, {}])
    await expectRejected(rsa, cnf, own(rsa, { cnf }), 'binding_mismatch');
  const bound = own(rsa, { cnf: { jkt: 'k'.repeat(43) } });
  const validated = await send(rsa.product.api, 'POST', '/v1/tokens/validate', { json: { token: bound } });
  expect(validated.body).toEqual({ active: false, reason: 'binding_mismatch' });
  expect((await send(rsa.product.api, 'GET', '/v1/keys', { bearer: bound })).status).toBe(401);
});

test('a client’s token never acts as the user of the same name', async () => {
  const { client_id } = rsa.product.credentials.client;
  const { fid: _, sid: __, ...claims } = rsa.claims;
  const swapped = signAs(rsa.key, headerOf(rsa), { ...claims, client_id });
  // Without a session, subject and client must be the same.
  expect((await send(rsa.product.api, 'GET', '/v1/keys', { bearer: swapped })).status).toBe(401);
});

describe('cached decisions', () => {
  test('cached decisions are never shared by tokens that differ only in their signature (CVE-2026-35039, fast-jwt: two tokens could share one cached result)', async () => {
    for (const target of [rsa, ec]) {
      const { access_token: token } = await issueFor(target.product, target.admin.id);
      const body = token.slice(0, token.lastIndexOf('.') + 1);
      for (let round = 0; round < 3; round += 1) {
        expect(await verdictOn(target.product, token)).toBe('active');
        await expectRejected(target, round, tampered(token), 'bad_signature');
        await expectRejected(target, round, `${body}AAAA`, 'bad_signature');
        await expectRejected(target, round, `${body}${target.good.split('.')[2]}`, 'bad_signature');
      }
    }
  });

  test('end with exp and with a revocation', async () => {
    const short = own(rsa, { exp: now() + 2, jti: 'short' });
    expect(['active', 'expired']).toContain(await verdictOn(rsa.product, short));
    await untilVerdict(rsa.product, short, 'expired');
    const { access_token: token } = await issueFor(rsa.product, rsa.admin.id);
    expect(await verdictOn(rsa.product, token)).toBe('active');
    await revoke(rsa.product, { token });
    await untilVerdict(rsa.product, token, 'revoked');
  });

  test('are evaluated again when the expectations differ', async () => {
    const { access_token: token } = await issueFor(rsa.product, rsa.admin.id, { scope: 'openid' });
    expect(await verdictOn(rsa.product, token)).toBe('active');
    expect(await verdictOn(rsa.product, token, { required_scope: 'email' })).toBe('insufficient_scope');
    expect(await verdictOn(rsa.product, token, { audience: 'https://api.example.test' })).toBe('wrong_audience');
    expect(await verdictOn(rsa.product, token)).toBe('active');
  });
});
