import { constants, createPublicKey, type JsonWebKey, type KeyObject, sign } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { issueFor, revoke, tampered, untilVerdict, verdictOn } from '../../platform/testing/flows/flows.ts';
import { send } from '../../platform/testing/http-client.ts';
import {
  byAttacker,
  expectRejected,
  headerOf,
  type Listener,
  own,
  startListener,
  type Target,
  targetOf,
  withHmac,
} from '../../platform/testing/made/forged-tokens.ts';
import { encoded, signAs } from '../../platform/testing/made/signing-key.ts';
import { type ProductWorld, startProductWorld } from '../../platform/testing/worlds/product-world.ts';

/** One product for each kind of key. */
let rsa: Target;
let ec: Target;
const worlds: ProductWorld[] = [];
let listener: Listener;

async function startTarget(algorithm: 'RS256' | 'ES256'): Promise<Target> {
  const world = await startProductWorld({ JWT_ALGORITHM: algorithm, JWT_LEEWAY: '0', WORKER_COPIES: '0' });
  worlds.push(world);
  return targetOf(world.product);
}

beforeAll(async () => {
  listener = await startListener();
  [rsa, ec] = await Promise.all([startTarget('RS256'), startTarget('ES256')]);
});
afterAll(async () => {
  listener?.close();
  await Promise.all(worlds.map((world) => world.close()));
});

const now = (): number => Math.floor(Date.now() / 1_000);

const publicKeyOf = async ({
  product,
  key,
}: Target): Promise<{ jwk: JsonWebKey; publicKey: KeyObject; jwks: string }> => {
  const answer = await send(product.api, 'GET', '/.well-known/jwks.json');
  const jwk = answer.body.keys.find(({ kid }: { kid: string }) => kid === key.kid);
  return { jwk, publicKey: createPublicKey({ key: jwk, format: 'jwk' }), jwks: answer.text };
};

test('what is tampered with below is good before: the product’s own token and one made by its key open the route', async () => {
  for (const target of [rsa, ec]) {
    for (const token of [
      target.good,
      own(target, {}),
      own(target, {}, { typ: 'AT+JWT' }),
      own(target, {}, { typ: 'application/at+jwt' }),
    ]) {
      expect(await verdictOn(target.product, token)).toBe('active');
      expect((await send(target.product.api, 'GET', '/v1/keys', { bearer: token })).status).toBe(200);
    }
  }
});

describe('J1: the algorithm is the key’s, never the token’s', () => {
  test('none, in any spelling, absent or of another type, with any signature', async () => {
    for (const target of [rsa, ec])
      for (const alg of ['none', 'nOnE', 'NONE', 'None ', '', undefined, null, 0, ['RS256'], { alg: 'RS256' }, true])
        for (const signature of ['', 'x', target.good.split('.')[2]!]) {
          const input = `${encoded(headerOf(target, { alg }))}.${encoded(target.claims)}`;
          await expectRejected(target, [alg, signature.slice(0, 4)], `${input}.${signature}`);
        }
  });

  test('J16: another algorithm of the same key, truly signed', async () => {
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

test('J2: HMAC under our public key in every form it is published or kept (CVE-2023-48223, 2026-34950, 2026-107724)', async () => {
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

test('J3: an unknown, empty, absent or mistyped kid, and HMAC under an empty key (CVE-2026-44351)', async () => {
  for (const target of [rsa, ec]) {
    await expectRejected(target, 'unknown', own(target, {}, { kid: 'nobody' }), 'unknown_key');
    for (const kid of ['', undefined, null, 0, [], {}, [target.key.kid], { toString: target.key.kid }]) {
      await expectRejected(target, kid, own(target, {}, { kid }));
      for (const key of ['', '\0', 'undefined', 'null'])
        await expectRejected(target, [kid, key], withHmac(headerOf(target, { alg: 'HS256', kid }), target.claims, key));
    }
  }
});

test('J4: a kid is looked up in memory and nowhere else', async () => {
  const kids = [
    '../../dev/null',
    '/dev/null',
    '../../../../../../dev/null\0',
    "' OR 1=1--",
    "x' UNION SELECT 'k'--",
    '{"not":""}',
    '__proto__',
    'constructor',
    'toString',
    'hasOwnProperty',
    'jwks:access',
    'file:///dev/null',
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

test('J6: extensions marked critical, and unencoded payloads (CVE-2026-35042)', async () => {
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

test('J7: any other type of token, though truly signed: ID token, logout token, plain JWT, none, the feed, a refresh token', async () => {
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

test('J8: audience, issuer and the required claims', async () => {
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

test('J8: the right issuer, another issuer’s key', async () => {
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

test('J9: expired, not yet valid, and times that are none', async () => {
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

test('J11: a payload that is no object, though truly signed (CVE-2026-107723)', async () => {
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

test('J12: names written twice, in header or claims, in any spelling', async () => {
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

test('J13: empty, zero, truncated, lengthened, DER and borrowed signatures (CVE-2022-21449)', async () => {
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

test('J13: n − s of an ECDSA signature is another spelling, and at most the same token', async () => {
  const order = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
  const [header, payload, signature] = ec.good.split('.') as [string, string, string];
  const bytes = Buffer.from(signature, 'base64url');
  const s = BigInt(`0x${bytes.subarray(32).toString('hex')}`);
  const twin = Buffer.concat([bytes.subarray(0, 32), Buffer.from((order - s).toString(16).padStart(64, '0'), 'hex')]);
  const malleated = `${header}.${payload}.${twin.toString('base64url')}`;
  // Revocation is by claims, so the twin dies with the token.
  const { access_token } = await issueFor(ec.product, ec.admin.id);
  await revoke(ec.product, { token: access_token });
  await untilVerdict(ec.product, access_token, 'revoked');
  expect(['active', 'bad_signature']).toContain(await verdictOn(ec.product, malleated));
});

test('J14: longer than 8 KB, and nested thousands deep', async () => {
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
  expect(await verdictOn(rsa.product, 'x'.repeat(100_000))).toBe('body_too_large');
  expect((await send(rsa.product.api, 'GET', '/v1/keys', { bearer: 'a'.repeat(9_000) })).status).toBe(401);
});

describe('verdicts that are remembered', () => {
  test('tokens that differ in their signature alone never share one (GHSA-rp9m-7r4c-75qg)', async () => {
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

  test('are asked again under other expectations', async () => {
    const { access_token: token } = await issueFor(rsa.product, rsa.admin.id, { scope: 'openid' });
    expect(await verdictOn(rsa.product, token)).toBe('active');
    expect(await verdictOn(rsa.product, token, { required_scope: 'email' })).toBe('insufficient_scope');
    expect(await verdictOn(rsa.product, token, { audience: 'https://api.example.test' })).toBe('wrong_audience');
    expect(await verdictOn(rsa.product, token)).toBe('active');
  });
});
