import { constants, createPublicKey, type JsonWebKey, type KeyObject, sign } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { encoded } from '#tools/testing/fixtures/signing-key.ts';
import { issueFor, revoke, tampered, untilVerdict, verdictOn } from '#tools/testing/flows/flows.ts';
import { send } from '#tools/testing/http-client.ts';
import {
  byAttacker,
  expectRejected,
  type ForgedHarness,
  headerOf,
  openForgedHarness,
  own,
  startListener,
  type Target,
  withHmac,
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

const publicKeyOf = async ({
  product,
  key,
}: Target): Promise<{ jwk: JsonWebKey; publicKey: KeyObject; jwks: string }> => {
  const answer = await send(product.api, 'GET', '/.well-known/jwks.json');
  const jwk = answer.body.keys.find(({ kid }: { kid: string }) => kid === key.kid);
  return { jwk, publicKey: createPublicKey({ key: jwk, format: 'jwk' }), jwks: answer.text };
};

test('the tokens that the tests tamper with are valid before: the product’s token and one signed with its key open the route', async () => {
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
