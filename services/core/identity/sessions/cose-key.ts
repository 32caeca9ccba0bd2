import { type AsymmetricKeyDetails, createPublicKey, type JsonWebKey, type KeyObject } from 'node:crypto';

/** The algorithms that we offer and accept (RFC 9053 §2, RFC 8812 §2): EdDSA, ES256, RS256. */
export const OFFERED_ALGORITHMS = [-8, -7, -257] as const;

type Value = number | Buffer;

/** Labels and values of COSE keys (RFC 9053 §7). */
const LABEL = { type: 1, algorithm: 3, curve: -1, x: -2, y: -3, modulus: -1, exponent: -2 } as const;
const TYPE = { octetPair: 1, ellipticCurve: 2, rsa: 3 } as const;
const CURVE = { p256: 1, ed25519: 6 } as const;

const MEMBERS_MAX = 8;

/**
 * Reads a CBOR map of integers to integers and byte strings (RFC 8949 §3) without trailing bytes; null for anything
 * else.
 */
function readMap(bytes: Buffer): ReadonlyMap<number, Value> | null {
  let at = 0;
  const head = (): { major: number; value: number } => {
    const first = bytes.readUInt8(at++);
    const [major, short] = [first >> 5, first & 0x1f];
    if (short < 24) return { major, value: short };
    if (short !== 24 && short !== 25) throw new RangeError('longer than any member of a COSE key');
    const width = short - 23;
    at += width;
    return { major, value: bytes.readUIntBE(at - width, width) };
  };
  const item = (): Value => {
    const { major, value } = head();
    if (major === 0) return value;
    if (major === 1) return -1 - value;
    if (major !== 2 || at + value > bytes.length) throw new RangeError('not a member of a COSE key');
    at += value;
    return bytes.subarray(at - value, at);
  };
  try {
    const { major, value: size } = head();
    if (major !== 5 || size > MEMBERS_MAX) return null;
    const members = new Map<number, Value>();
    for (let read = 0; read < size; read += 1) {
      const label = item();
      if (typeof label !== 'number' || members.has(label)) return null;
      members.set(label, item());
    }
    return at === bytes.length ? members : null;
  } catch {
    return null;
  }
}

const text = (value: Value | undefined): string => (Buffer.isBuffer(value) ? value.toString('base64url') : '');

function jwkOf(members: ReadonlyMap<number, Value>): JsonWebKey | null {
  const is = (label: number, value: number): boolean => members.get(label) === value;
  const part = (label: number): string => text(members.get(label));
  if (is(LABEL.algorithm, -7) && is(LABEL.type, TYPE.ellipticCurve) && is(LABEL.curve, CURVE.p256))
    return { kty: 'EC', crv: 'P-256', x: part(LABEL.x), y: part(LABEL.y) };
  if (is(LABEL.algorithm, -8) && is(LABEL.type, TYPE.octetPair) && is(LABEL.curve, CURVE.ed25519))
    return { kty: 'OKP', crv: 'Ed25519', x: part(LABEL.x) };
  if (is(LABEL.algorithm, -257) && is(LABEL.type, TYPE.rsa))
    return { kty: 'RSA', n: part(LABEL.modulus), e: part(LABEL.exponent) };
  return null;
}

// RFC 8032 §5.1: the field, and the constant of the curve.
const P = 2n ** 255n - 19n;
const D = 37095705934669439343138083508754565189542113879843219016388785533085940283555n;
const Y_OF_ORDER_8 = 2707385501144840649318225287225658788936804267575313519463743609750303402022n;
/** y of the points of order 1, 2, 4 and 8: an attacker can sign for such a key without a private key. */
const SMALL_ORDER = new Set([0n, 1n, P - 1n, Y_OF_ORDER_8, P - Y_OF_ORDER_8]);

function power(base: bigint, exponent: bigint): bigint {
  let [result, square] = [1n, base];
  for (let left = exponent; left > 0n; left >>= 1n) {
    if (left & 1n) result = (result * square) % P;
    square = (square * square) % P;
  }
  return result;
}

/** OpenSSL imports any 32 bytes as an Ed25519 key, so we check that they encode a point of the curve. */
function isEd25519Point(x: string): boolean {
  const bytes = Buffer.from(x, 'base64url').reverse();
  const y = BigInt(`0x${bytes.toString('hex')}`) & (2n ** 255n - 1n);
  if (y >= P || SMALL_ORDER.has(y)) return false;
  const [u, v] = [(y * y + P - 1n) % P, (D * y * y + 1n) % P];
  return power((u * v) % P, (P - 1n) / 2n) <= 1n;
}

const RSA_BITS = { min: 2_048, max: 8_192 } as const;

/** NIST SP 800-56B §6.2: an odd exponent above 2^16. Exponents above 2^32 are unused in practice and slow to verify. */
function isStrongRsa(key: KeyObject, { n = '' }: JsonWebKey): boolean {
  const { modulusLength = 0, publicExponent = 0n } = key.asymmetricKeyDetails as AsymmetricKeyDetails;
  const isOdd = ((Buffer.from(n, 'base64url').at(-1) as number) & 1) === 1;
  const isExponentFit = publicExponent > 65_536n && publicExponent < 2n ** 32n && (publicExponent & 1n) === 1n;
  return modulusLength >= RSA_BITS.min && modulusLength <= RSA_BITS.max && isOdd && isExponentFit;
}

/** Whether a credential's public key (WebAuthn §6.5.1) has an offered algorithm and can verify signatures. */
export function isUsableKey(coseKey: Uint8Array): boolean {
  const members = readMap(Buffer.from(coseKey));
  const jwk = members === null ? null : jwkOf(members);
  if (jwk === null) return false;
  let key: KeyObject;
  try {
    key = createPublicKey({ key: jwk, format: 'jwk' });
  } catch {
    return false;
  }
  if (jwk.kty === 'RSA') return isStrongRsa(key, jwk);
  return jwk.kty === 'EC' || isEd25519Point(jwk.x as string);
}
