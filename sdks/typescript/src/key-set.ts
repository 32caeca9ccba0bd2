import { type CryptoKey, importJWK, type JWK } from 'jose';
import { decodeBase64url } from './encoding.ts';
import { LIMITS } from './generated/contract.ts';
import { isObject, type JsonObject } from './strict-json.ts';

/** A key for verifying. One key has one algorithm. */
export type KnownKey = { readonly kid: string; readonly alg: string; readonly key: CryptoKey };

/** Null: published, but of no use here: for encryption, of another algorithm, or too weak. */
export type KeySet = ReadonlyMap<string, KnownKey | null>;

const PRIVATE_MEMBERS = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k', 'priv'];
const COORDINATE = /^[\w-]{43}$/;
/** Bytes of a modulus of 2,048 and of 8,192 bits. */
const [SHORTEST_MODULUS, LONGEST_MODULUS] = [256, 1_024];

class KeySetRefused extends Error {
  constructor(why: string) {
    super(`the key set was refused: ${why}`);
    this.name = 'KeySetRefused';
  }
}

export const hasPrivateMember = (jwk: JsonObject): boolean =>
  jwk.kty === 'oct' || PRIVATE_MEMBERS.some((member) => member in jwk);

/** Whether a modulus has 2,048 to 8,192 bits. Leading zeros can make a small one look long. */
function isStrongModulus(n: unknown, longestBytes = LONGEST_MODULUS): n is string {
  const bytes = typeof n === 'string' && n.length <= 2 * LONGEST_MODULUS ? decodeBase64url(n) : null;
  if (bytes === null || bytes.length < SHORTEST_MODULUS || bytes.length > longestBytes) return false;
  const [first = 0] = bytes;
  return bytes.length === SHORTEST_MODULUS ? first >= 0x80 : first > 0;
}

const isCoordinate = (value: unknown): value is string => typeof value === 'string' && COORDINATE.test(value);

/** The public members of a key of this algorithm, in the order of RFC 7638; null for any other key. */
export function publicMembersOf(alg: unknown, jwk: JsonObject, longestModulus?: number): JWK | null {
  const { kty, crv, x, y, n, e } = jwk;
  switch (alg) {
    case 'ES256':
      return kty === 'EC' && crv === 'P-256' && isCoordinate(x) && isCoordinate(y) ? { crv, kty, x, y } : null;
    case 'EdDSA':
      return kty === 'OKP' && crv === 'Ed25519' && isCoordinate(x) ? { crv, kty, x } : null;
    case 'RS256':
      return kty === 'RSA' && isStrongModulus(n, longestModulus) && typeof e === 'string' && e.length <= 8
        ? { e, kty, n }
        : null;
    default:
      return null;
  }
}

const isForVerifying = ({ use, key_ops }: JsonObject): boolean =>
  (use === undefined || use === 'sig') &&
  (key_ops === undefined || (Array.isArray(key_ops) && key_ops.includes('verify')));

async function importKey(kid: string, jwk: JsonObject): Promise<KnownKey | null> {
  const members = isForVerifying(jwk) ? publicMembersOf(jwk.alg, jwk) : null;
  if (members === null) return null;
  const alg = jwk.alg as string;
  try {
    return { kid, alg, key: (await importJWK(members, alg)) as CryptoKey };
  } catch {
    // Not a point on the curve, or not a number.
    return null;
  }
}

/** The keys of a published set by kid, imported once for as long as they stay the same. */
export type KeyImporter = (text: string) => Promise<KeySet>;

export function createKeyImporter(): KeyImporter {
  let known = new Map<string, KnownKey | null>();
  return async (text) => {
    let body: unknown;
    try {
      body = JSON.parse(text);
    } catch {
      throw new KeySetRefused('it is not JSON');
    }
    const keys = isObject(body) && Array.isArray(body.keys) ? (body.keys as unknown[]) : null;
    if (keys === null) throw new KeySetRefused('it has no list of keys');
    if (keys.length > LIMITS.keySetKeys) throw new KeySetRefused(`it has more than ${LIMITS.keySetKeys} keys`);
    // A publisher of private keys has lost them: nothing in its set can be trusted.
    if (keys.some((jwk) => isObject(jwk) && hasPrivateMember(jwk)))
      throw new KeySetRefused('it contains a private or symmetric key');
    const imported = new Map<string, KnownKey | null>();
    const byKid = new Map<string, KnownKey | null>();
    for (const jwk of keys) {
      if (!isObject(jwk) || typeof jwk.kid !== 'string' || jwk.kid === '') continue;
      const name = JSON.stringify([
        jwk.kid,
        jwk.kty,
        jwk.alg,
        jwk.use,
        jwk.key_ops,
        jwk.n,
        jwk.e,
        jwk.crv,
        jwk.x,
        jwk.y,
      ]);
      const key = known.get(name) ?? (await importKey(jwk.kid, jwk));
      imported.set(name, key);
      if (byKid.has(jwk.kid) && byKid.get(jwk.kid) !== key) throw new KeySetRefused('it has two keys of one kid');
      byKid.set(jwk.kid, key);
    }
    if (![...byKid.values()].some((key) => key !== null)) throw new KeySetRefused('it has no key for verifying');
    known = imported;
    return byKid;
  };
}
