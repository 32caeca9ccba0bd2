import { constants, createPublicKey, sign } from 'node:crypto';
import { afterEach, describe, expect, onTestFinished, test } from 'vitest';
import { encoded, signAs } from '#tools/testing/fixtures/signing-key.ts';
import { issueFor, revoke, tampered, untilVerdict, verdictOn } from '#tools/testing/flows/flows.ts';
import { send } from '#tools/testing/http-client.ts';
import { opened, partOf } from '#tools/testing/opened.ts';
import {
  byAttacker,
  expectRejected,
  headerOf,
  openForgedHarness,
  own,
  startListener,
  type Target,
  withHmac,
} from './forged-tokens-harness.ts';

const harness = opened(openForgedHarness);
/** One product for each key type. */
const rsa = partOf(() => harness.rsa);
const ec = partOf(() => harness.ec);
afterEach(() => harness.expectUnharmed());

const publicKeyOf = async ({ product, key }: Target) => {
  const answer = await send(product.api, 'GET', '/.well-known/jwks.json');
  const jwk = answer.body.keys.find(({ kid }: { kid: string }) => kid === key.kid);
  return { jwk, publicKey: createPublicKey({ key: jwk, format: 'jwk' }), jwks: answer.text };
};

test('the tokens that the tests tamper with are valid before: the product’s token and one signed with its key open the route', async () => {
  for (const target of [rsa, ec])
    for (const token of [
      target.good,
      own(target, {}),
      own(target, {}, { typ: 'AT+JWT' }),
      own(target, {}, { typ: 'application/at+jwt' }),
    ]) {
      expect(await verdictOn(target.product, token)).toBe('active');
      expect((await send(target.product.api, 'GET', '/v1/keys', { bearer: token })).status).toBe(200);
    }
});

describe('the key determines the algorithm, never the token', () => {
  test('rejects none in any spelling, an absent alg and an alg of another type, with any signature', async () => {
    for (const target of [rsa, ec])
      for (const alg of ['none', 'nOnE', 'NONE', 'None ', '', undefined, null, 0, ['RS256'], { alg: 'RS256' }, true])
        for (const signature of ['', 'x', target.good.split('.')[2]!]) {
          const input = `${encoded(headerOf(target, { alg }))}.${encoded(target.claims)}`;
          await expectRejected(target, [alg, signature.slice(0, 4)], `${input}.${signature}`);
        }
  });

  test('rejects another algorithm of the same key with a valid signature (CVE-2026-22818, Hono: the header of a token chose the algorithm)', async () => {
    const digests: [string, string][] = [
      ['RS384', 'sha384'],
      ['RS512', 'sha512'],
    ];
    for (const [alg, digest] of digests) {
      const input = `${encoded(headerOf(rsa, { alg }))}.${encoded(rsa.claims)}`;
      const signature = sign(digest, Buffer.from(input), rsa.key.privateKey).toString('base64url');
      await expectRejected(rsa, alg, `${input}.${signature}`, 'bad_signature');
    }
    for (const [alg, digest] of [
      ['PS256', 'sha256'],
      ['PS384', 'sha384'],
      ['RS256', 'sha256'],
    ] as const) {
      const input = `${encoded(headerOf(rsa, { alg }))}.${encoded(rsa.claims)}`;
      const padded = { key: rsa.key.privateKey, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 };
      await expectRejected(
        rsa,
        `${alg} by PSS`,
        `${input}.${sign(digest, Buffer.from(input), padded).toString('base64url')}`,
        'bad_signature',
      );
    }
    for (const [alg, digest] of [
      ['ES384', 'sha384'],
      ['ES512', 'sha512'],
      ['ES256K', 'sha256'],
      ['EdDSA', 'sha256'],
      ['RS256', 'sha256'],
    ] as const) {
      const input = `${encoded(headerOf(ec, { alg }))}.${encoded(ec.claims)}`;
      const signature = sign(digest, Buffer.from(input), { key: ec.key.privateKey, dsaEncoding: 'ieee-p1363' });
      await expectRejected(ec, alg, `${input}.${signature.toString('base64url')}`, 'bad_signature');
    }
  });
});

test('rejects HMAC keyed with any published or stored form of our public key (CVE-2026-34950, fast-jwt: a public key after a space was used as a secret)', async () => {
  for (const target of [rsa, ec]) {
    const { jwk, publicKey, jwks } = await publicKeyOf(target);
    const pem = publicKey.export({ format: 'pem', type: 'spki' }) as string;
    const forms: [string, string | Buffer][] = [
      ['PEM', pem],
      ['PEM without its last newline', pem.trimEnd()],
      ['PEM after a space', ` ${pem}`],
      ['PEM after a newline', `\n${pem}`],
      ['PEM with CRLF', pem.replaceAll('\n', '\r\n')],
      ['DER', publicKey.export({ format: 'der', type: 'spki' })],
      ['JWK', JSON.stringify(jwk)],
      ['JWKS', jwks],
      ['kid', target.key.kid],
      ['modulus', Buffer.from(String(jwk.n ?? jwk.x), 'base64url')],
    ];
    if (target === rsa) forms.push(['PKCS #1', publicKey.export({ format: 'pem', type: 'pkcs1' }) as string]);
    for (const [form, key] of forms)
      for (const [alg, digest] of [
        ['HS256', 'sha256'],
        ['HS384', 'sha384'],
        ['HS512', 'sha512'],
        [target.key.alg, 'sha256'],
      ] as const)
        await expectRejected(
          target,
          [form, alg],
          withHmac(headerOf(target, { alg }), target.claims, key, digest),
          'bad_signature',
        );
  }
});

test('rejects an unknown, empty, absent or mistyped kid, and HMAC with an empty key (CVE-2026-44351, fast-jwt: an unknown key became an empty secret)', async () => {
  for (const target of [rsa, ec]) {
    await expectRejected(target, 'unknown', own(target, {}, { kid: 'unknown' }), 'unknown_key');
    for (const kid of ['', undefined, null, 0, [], {}, [target.key.kid], { toString: target.key.kid }]) {
      await expectRejected(target, kid, own(target, {}, { kid }));
      for (const key of ['', '\0', 'undefined', 'null'])
        await expectRejected(target, [kid, key], withHmac(headerOf(target, { alg: 'HS256', kid }), target.claims, key));
    }
  }
});

test('a kid is looked up in memory only', async () => {
  const listener = await startListener();
  onTestFinished(() => listener.close());
  const kids = [
    '../../dev/null',
    '/dev/null',
    '../../../../../../dev/null\0',
    "' OR 1=1--",
    "x' UNION SELECT 'k'--",
    ...'{"not":""} __proto__ constructor toString hasOwnProperty jwks:access file:///dev/null'.split(' '),
    `${listener.url}/jwks`,
    '*',
    'jndi:ldap://x',
    '\u0000',
    '💥',
    'a'.repeat(10_240),
  ];
  for (const target of [rsa, ec])
    for (const kid of kids) {
      await expectRejected(target, kid.slice(0, 40), own(target, {}, { kid }));
      await expectRejected(
        target,
        kid.slice(0, 40),
        withHmac(headerOf(target, { alg: 'HS256', kid }), target.claims, ''),
      );
    }
  expect(listener.connections()).toBe(0);
});

test('rejects the right issuer with another issuer’s key', async () => {
  await expectRejected(rsa, 'by the attacker', byAttacker(headerOf(rsa), rsa.claims), 'bad_signature');
  await expectRejected(
    rsa,
    'by our other installation',
    own(ec, { iss: rsa.product.api, aud: rsa.product.api }),
    'unknown_key',
  );
  await expectRejected(
    ec,
    'by our other installation',
    own(rsa, { iss: ec.product.api, aud: ec.product.api }),
    'unknown_key',
  );
  await expectRejected(rsa, 'a good token of our other installation', ec.good, 'unknown_key');
});

test('rejects empty, zero, truncated, extended, DER and copied signatures (CVE-2022-21449)', async () => {
  for (const target of [rsa, ec]) {
    const [header, payload, signature] = target.good.split('.') as [string, string, string];
    const bytes = Buffer.from(signature, 'base64url');
    const other = own(target, { jti: 'another' }).split('.')[2]!;
    const input = Buffer.from(`${header}.${payload}`);
    const candidates: [string, string][] = [
      ['zero', Buffer.alloc(bytes.length).toString('base64url')],
      [
        'r = 0',
        Buffer.concat([Buffer.alloc(bytes.length / 2), bytes.subarray(bytes.length / 2)]).toString('base64url'),
      ],
      [
        's = 0',
        Buffer.concat([bytes.subarray(0, bytes.length / 2), Buffer.alloc(bytes.length / 2)]).toString('base64url'),
      ],
      ['truncated', bytes.subarray(0, -1).toString('base64url')],
      ['half', bytes.subarray(0, bytes.length / 2).toString('base64url')],
      ['lengthened', Buffer.concat([bytes, Buffer.from([0])]).toString('base64url')],
      ['led by zero', Buffer.concat([Buffer.from([0]), bytes]).toString('base64url')],
      ['ones', Buffer.alloc(bytes.length, 0xff).toString('base64url')],
      ['one byte', 'AA'],
      ['of another token', other],
      ['DER', sign('sha256', input, { key: ec.key.privateKey, dsaEncoding: 'der' }).toString('base64url')],
    ];
    for (const [name, value] of candidates)
      await expectRejected(target, name, `${header}.${payload}.${value}`, 'bad_signature');
    await expectRejected(target, 'empty', `${header}.${payload}.`, 'malformed');
    await expectRejected(target, 'one bit', tampered(target.good), 'bad_signature');
    const [, foreign] = own(target, { sub: 'admin' }).split('.');
    await expectRejected(target, 'another payload', `${header}.${foreign}.${signature}`, 'bad_signature');
  }
});

test('the n − s form of an ECDSA signature is at most the same token in another spelling', async () => {
  const order = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
  const [header, payload, signature] = ec.good.split('.') as [string, string, string];
  const bytes = Buffer.from(signature, 'base64url');
  const s = BigInt(`0x${bytes.subarray(32).toString('hex')}`);
  const twin = Buffer.concat([bytes.subarray(0, 32), Buffer.from((order - s).toString(16).padStart(64, '0'), 'hex')]);
  const malleated = `${header}.${payload}.${twin.toString('base64url')}`;
  // Revocation works by claims, so the other spelling is revoked too.
  const { access_token } = await issueFor(ec.product, ec.admin.id);
  await revoke(ec.product, { token: access_token });
  await untilVerdict(ec.product, access_token, 'revoked');
  expect(['active', 'bad_signature']).toContain(await verdictOn(ec.product, malleated));
});

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
      ...'JWT jwt id_token logout+jwt dpop+jwt revocations+jwt application/jwt'.split(' '),
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
