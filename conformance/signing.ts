import {
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  type JsonWebKey,
  type KeyObject,
  sign,
} from 'node:crypto';
import { readFileSync } from 'node:fs';

/** Keys of the vectors. They are published, so nothing but tests may trust them. */
type FixedKeys = {
  readonly secret: string;
  readonly otherSecret: string;
  readonly keys: Readonly<Record<string, JsonWebKey & { readonly alg: string; readonly kid: string }>>;
};

const fixed = JSON.parse(readFileSync(new URL('./keys.json', import.meta.url), 'utf8')) as FixedKeys;

export type VectorKey = {
  readonly kid: string;
  readonly alg: string;
  readonly privateKey: KeyObject;
  /** Members of a published key set, and nothing private. */
  readonly jwk: Readonly<Record<string, unknown>>;
  /** The private members, for the key set of a careless publisher. */
  readonly privateJwk: Readonly<Record<string, unknown>>;
};

export const SECRET: string = fixed.secret;
export const OTHER_SECRET: string = fixed.otherSecret;

export function keyNamed(name: string): VectorKey {
  const jwk = fixed.keys[name];
  if (jwk === undefined) throw new Error(`keys.json has no key ${name}`);
  const { kty, n, e, crv, x, y, alg, kid } = jwk;
  const published = { kty, use: 'sig', alg, kid, n, e, crv, x, y };
  return {
    kid,
    alg,
    privateKey: createPrivateKey({ key: jwk, format: 'jwk' }),
    jwk: Object.fromEntries(Object.entries(published).filter(([, value]) => value !== undefined)),
    privateJwk: jwk as Readonly<Record<string, unknown>>,
  };
}

export const publicKeyOf = ({ privateKey }: VectorKey): KeyObject => createPublicKey(privateKey as never);

// P-256 (FIPS 186-5, SP 800-186). Node signs with a random k; vectors need the k of RFC 6979, the same in every run.
const P = 0xffffffff00000001000000000000000000000000ffffffffffffffffffffffffn;
const N = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
const G: Point = [
  0x6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296n,
  0x4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5n,
];
type Point = readonly [bigint, bigint];

const modulo = (value: bigint, by: bigint): bigint => ((value % by) + by) % by;

function inverse(value: bigint, by: bigint): bigint {
  let [r, nextR, s, nextS] = [by, modulo(value, by), 0n, 1n];
  while (nextR !== 0n) {
    const quotient = r / nextR;
    [r, nextR] = [nextR, r - quotient * nextR];
    [s, nextS] = [nextS, s - quotient * nextS];
  }
  return modulo(s, by);
}

function add(a: Point | null, b: Point | null): Point | null {
  if (a === null || b === null) return a ?? b;
  if (a[0] === b[0] && a[1] !== b[1]) return null;
  const slope =
    a[0] === b[0] ? (3n * a[0] * a[0] - 3n) * inverse(2n * a[1], P) : (b[1] - a[1]) * inverse(b[0] - a[0], P);
  const x = modulo(slope * slope - a[0] - b[0], P);
  return [x, modulo(slope * (a[0] - x) - a[1], P)];
}

function multiply(times: bigint): Point {
  let sum: Point | null = null;
  let power: Point | null = G;
  for (let left = times; left > 0n; left >>= 1n) {
    if (left & 1n) sum = add(sum, power);
    power = add(power, power);
  }
  if (sum === null) throw new Error('multiple of the order');
  return sum;
}

const numberOf = (bytes: Buffer): bigint => BigInt(`0x${bytes.toString('hex')}`);
const bytesOf = (value: bigint): Buffer => Buffer.from(value.toString(16).padStart(64, '0'), 'hex');
const hmac = (key: Buffer, ...parts: readonly Buffer[]): Buffer => {
  const mac = createHmac('sha256', key);
  for (const part of parts) mac.update(part);
  return mac.digest();
};

/** The nonce of RFC 6979 §3.2 with SHA-256. */
function nonceOf(secret: bigint, digest: Buffer): bigint {
  const seed = Buffer.concat([bytesOf(secret), bytesOf(modulo(numberOf(digest), N))]);
  let v: Buffer = Buffer.alloc(32, 1);
  let k: Buffer = Buffer.alloc(32, 0);
  for (const mark of [0, 1]) {
    k = hmac(k, v, Buffer.from([mark]), seed);
    v = hmac(k, v);
  }
  for (;;) {
    v = hmac(k, v);
    const nonce = numberOf(v);
    if (nonce > 0n && nonce < N) return nonce;
    k = hmac(k, v, Buffer.from([0]));
    v = hmac(k, v);
  }
}

/** An ES256 signature, r ‖ s (RFC 7518 §3.4), the same in every run. */
function signEs256(key: KeyObject, input: Buffer): Buffer {
  const secret = numberOf(Buffer.from(key.export({ format: 'jwk' }).d as string, 'base64url'));
  const digest = createHash('sha256').update(input).digest();
  const nonce = nonceOf(secret, digest);
  const r = modulo(multiply(nonce)[0], N);
  const s = modulo(inverse(nonce, N) * (numberOf(digest) + r * secret), N);
  return Buffer.concat([bytesOf(r), bytesOf(s)]);
}

/** Signs with an algorithm of the caller's choice, whatever the key is meant for. */
export function signatureOf(alg: string, key: KeyObject | string | Buffer, text: string): Buffer {
  const input = Buffer.from(text);
  if (alg === 'HS256' || alg === 'HS384' || alg === 'HS512')
    return createHmac(alg.replace('HS', 'sha'), key as Buffer)
      .update(input)
      .digest();
  if (alg === 'ES256') return signEs256(key as KeyObject, input);
  if (alg === 'EdDSA') return sign(null, input, key as KeyObject);
  return sign(alg.replace('RS', 'sha'), input, key as KeyObject);
}

/** Base64url of a text, of bytes, or of a value as JSON. */
export const encode = (value: unknown): string =>
  (Buffer.isBuffer(value) ? value : Buffer.from(typeof value === 'string' ? value : JSON.stringify(value))).toString(
    'base64url',
  );

/** A compact JWS over any header and payload, given as text, bytes or value. */
export function jws(key: Pick<VectorKey, 'alg' | 'privateKey'>, header: unknown, payload: unknown): string {
  const input = `${encode(header)}.${encode(payload)}`;
  return `${input}.${encode(signatureOf(key.alg, key.privateKey, input))}`;
}

/** A compact JWS with a shared secret. */
export function hs256(secret: string | Buffer, header: unknown, payload: unknown): string {
  const input = `${encode(header)}.${encode(payload)}`;
  return `${input}.${encode(signatureOf('HS256', secret, input))}`;
}

export const sha256 = (text: string): string => createHash('sha256').update(text).digest('base64url');

/** The thumbprint of RFC 7638. */
export function thumbprintOf({ jwk }: VectorKey): string {
  const { kty, n, e, crv, x, y } = jwk;
  const members = kty === 'RSA' ? { e, kty, n } : kty === 'EC' ? { crv, kty, x, y } : { crv, kty, x };
  return sha256(JSON.stringify(members));
}
