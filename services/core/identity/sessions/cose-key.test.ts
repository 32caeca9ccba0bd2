import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import { type Cbor, cbor } from '#tools/testing/fakes/authenticator.ts';
import { isUsableKey } from './cose-key.ts';

type Members = Readonly<Record<number, Cbor>>;

/** In the order in which they are encoded. */
const key = (members: Members, changes: Members = {}): Buffer =>
  cbor(new Map(Object.entries({ ...members, ...changes }).map(([label, value]) => [Number(label), value])));
const part = (value: string | undefined): Buffer => Buffer.from(value ?? '', 'base64url');

const p256 = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ format: 'jwk' });
const EC: Members = { 1: 2, 3: -7, [-1]: 1, [-2]: part(p256.x), [-3]: part(p256.y) };
const ed25519 = generateKeyPairSync('ed25519').publicKey.export({ format: 'jwk' });
const OKP: Members = { 1: 1, 3: -8, [-1]: 6, [-2]: part(ed25519.x) };
const rsaOf = (modulusLength: number, publicExponent = 65_537): Members => {
  const { n, e } = generateKeyPairSync('rsa', { modulusLength, publicExponent }).publicKey.export({ format: 'jwk' });
  return { 1: 3, 3: -257, [-1]: part(n), [-2]: part(e) };
};
const RSA = rsaOf(2_048);
const p384 = generateKeyPairSync('ec', { namedCurve: 'P-384' }).publicKey.export({ format: 'jwk' });

/** RFC 8032 §5.1.2: y in 32 bytes, little-endian. */
const pointOf = (y: bigint): Buffer => Buffer.from(y.toString(16).padStart(64, '0'), 'hex').reverse();
const P = 2n ** 255n - 19n;
/** The curve has no point with y = 2. */
const OFF_ED25519 = pointOf(2n);
const offCurve = (): Buffer => {
  const y = Buffer.from(EC[-3] as Buffer);
  y[31] = (y[31] ?? 0) ^ 1;
  return y;
};

test.each([
  ['ES256', EC],
  ['EdDSA', OKP],
  ['RS256', RSA],
])('accepts a key of the offered algorithm %s', (_algorithm, members) => expect(isUsableKey(key(members))).toBe(true));

test('accepts every generated Ed25519 key', () => {
  for (let made = 0; made < 64; made += 1) {
    const { x } = generateKeyPairSync('ed25519').publicKey.export({ format: 'jwk' });
    expect(isUsableKey(key(OKP, { [-2]: part(x) })), x).toBe(true);
  }
});

test.each<[string, Buffer]>([
  ['an algorithm that was not offered (RS1)', key(RSA, { 3: -65_535 })],
  ['an algorithm that was not offered (ES384)', key({ 1: 2, 3: -35, [-1]: 2, [-2]: part(p384.x), [-3]: part(p384.y) })],
  [
    'no algorithm',
    cbor(new Map(Object.entries(EC).flatMap(([label, value]) => (label === '3' ? [] : [[Number(label), value]])))),
  ],
  [
    'no type',
    cbor(new Map(Object.entries(EC).flatMap(([label, value]) => (label === '1' ? [] : [[Number(label), value]])))),
  ],
  ['the type of another algorithm', key(EC, { 3: -257 })],
  ['the curve of another algorithm', key(EC, { [-1]: 2 })],
  ['a point off the curve', key(EC, { [-3]: offCurve() })],
  ['no y', key(EC, { [-3]: Buffer.alloc(0) })],
  ['a sign for y', key(EC, { [-3]: 1 })],
  ['an Ed25519 key that is not a point', key(OKP, { [-2]: OFF_ED25519 })],
  ['an Ed25519 key of 31 bytes', key(OKP, { [-2]: randomBytes(31) })],
  ['an Ed25519 key beyond the field', key(OKP, { [-2]: pointOf(P + 3n) })],
  ...[0n, 1n, P - 1n, P, P + 1n].map((y): [string, Buffer] => [
    `an Ed25519 key of small order (${y})`,
    key(OKP, { [-2]: pointOf(y) }),
  ]),
  ...[
    '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
    'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
    'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa',
  ].map((hex): [string, Buffer] => [`an Ed25519 key of order 8 (${hex})`, key(OKP, { [-2]: Buffer.from(hex, 'hex') })]),
  ['RSA of 512 bits', key(rsaOf(512))],
  ['RSA of 1024 bits', key(rsaOf(1_024))],
  ['RSA with the exponent 1', key(RSA, { [-2]: Buffer.from([1]) })],
  ['RSA with the exponent 3', key(rsaOf(2_048, 3))],
  ['RSA with an even exponent', key(RSA, { [-2]: Buffer.from([1, 0, 2]) })],
  [
    'RSA with an unbounded exponent',
    key(RSA, { [-2]: Buffer.concat([Buffer.from([1]), Buffer.alloc(3), Buffer.from([1])]) }),
  ],
  [
    'RSA with an even modulus',
    key(RSA, { [-1]: Buffer.concat([(RSA[-1] as Buffer).subarray(0, -1), Buffer.from([2])]) }),
  ],
  [
    'RSA with an unbounded modulus',
    key(RSA, { [-1]: Buffer.concat([Buffer.from([0x80]), Buffer.alloc(1_100, 0xff)]) }),
  ],
  ['bytes after the key', Buffer.concat([key(EC), Buffer.from([0])])],
  ['a key that ends too soon', key(EC).subarray(0, -1)],
  ['a member twice', Buffer.concat([Buffer.from([0xa6]), key(EC).subarray(1), Buffer.from([3, 0x26])])],
  ['a text for a member', key(EC, { 5: 'text' })],
  ['more members than a key has', key(EC, { 10: 1, 11: 1, 12: 1, 13: 1 })],
  ['a length beyond the end', Buffer.from([0xa1, 0x01, 0x59, 0xff, 0xff])],
  ['no map', Buffer.from([0x01])],
  ['an unterminated map', Buffer.from([0xbf, 0xff])],
  ['a number of eight bytes', Buffer.from([0xa1, 0x1b, 0, 0, 0, 0, 0, 0, 0, 1, 1])],
  ['nothing', Buffer.alloc(0)],
])('rejects a key with %s', (_what, bytes) => expect(isUsableKey(bytes)).toBe(false));
