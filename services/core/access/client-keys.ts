import { createPublicKey, type JsonWebKey } from 'node:crypto';
import { CLIENT_KEYS_MAX } from './client-auth-shapes.ts';

/** A public key of a client, with no other members than these. */
type ClientJwk = { readonly kty: string } & {
  readonly [Member in 'kid' | 'alg' | 'crv' | 'x' | 'y' | 'n' | 'e']?: string;
};
export type ClientJwks = { readonly keys: readonly ClientJwk[] };

const KID_MAX = 256;
/** Base64url length of a 4,096-bit modulus. Verifying with a longer key would cost too much for one request. */
const MODULUS_MAX = 683;
const MODULUS_BITS_MIN = 2_048;
const EXPONENT_MAX = 8;
const COORDINATE = /^[\w-]{43}$/;
const SECRET_MEMBERS = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k'];
/** Whether a JWK shows a private or symmetric key. */
export const hasSecretMember = (jwk: object): boolean => SECRET_MEMBERS.some((member) => member in jwk);

type Members = Readonly<Record<string, unknown>>;

export const isObject = (value: unknown): value is Members =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** The algorithms that each kind of key can be for. */
const ALGORITHMS: ReadonlyMap<unknown, readonly unknown[]> = new Map([
  ['EC', ['ES256']],
  ['OKP', ['EdDSA', 'Ed25519']],
  ['RSA', ['PS256', 'RS256']],
]);

const isForSignatures = ({ kty, use, key_ops: operations, alg }: Members): boolean =>
  // SPIFFE Trust Domain and Bundle §4.2.2 names the second use.
  (use === undefined || use === 'sig' || use === 'jwt-svid') &&
  (operations === undefined || (Array.isArray(operations) && operations.includes('verify'))) &&
  (alg === undefined || ALGORITHMS.get(kty)?.includes(alg) === true);

/** The members of a key on P-256 or Ed25519, or of an RSA key of 2,048 to 4,096 bits; null for any other key. */
function publicMembers({ kty, crv, x, y, n, e, alg }: Members): ClientJwk | null {
  const isPoint = (value: unknown): value is string => typeof value === 'string' && COORDINATE.test(value);
  if (kty === 'EC') return crv === 'P-256' && isPoint(x) && isPoint(y) ? { kty, crv, x, y } : null;
  if (kty === 'OKP') return crv === 'Ed25519' && isPoint(x) ? { kty, crv, x } : null;
  if (kty !== 'RSA' || typeof n !== 'string' || typeof e !== 'string') return null;
  // A key on a curve has one algorithm; an RSA key may name one of two.
  const named = typeof alg === 'string' ? { alg } : {};
  return n.length <= MODULUS_MAX && e.length <= EXPONENT_MAX ? { kty, n, e, ...named } : null;
}

function isReadable(jwk: ClientJwk): boolean {
  try {
    const { asymmetricKeyDetails } = createPublicKey({ key: jwk as JsonWebKey, format: 'jwk' });
    return jwk.kty !== 'RSA' || (asymmetricKeyDetails?.modulusLength as number) >= MODULUS_BITS_MIN;
  } catch {
    // Not a point on the curve, or not a number.
    return false;
  }
}

/**
 * The keys of a JWK set (RFC 7517 §5) that can verify an assertion, or why the set is refused. Other keys are left out,
 * so that a set may also have keys for encryption. A set that shows a private key is refused: others have read it.
 */
export function readClientKeys(given: unknown, keysMax: number = CLIENT_KEYS_MAX): ClientJwks | string {
  if (!isObject(given) || !Array.isArray(given.keys)) return 'is not a JWK set (RFC 7517 §5)';
  if (given.keys.length > keysMax) return `has more than ${keysMax} keys`;
  const keys: ClientJwk[] = [];
  for (const jwk of given.keys as readonly unknown[]) {
    if (!isObject(jwk)) return 'has a key that is not an object';
    if (hasSecretMember(jwk)) return 'contains a private or symmetric key';
    const members = isForSignatures(jwk) ? publicMembers(jwk) : null;
    const { kid } = jwk;
    if (kid !== undefined && (typeof kid !== 'string' || kid.length > KID_MAX)) return 'has a kid that is too long';
    if (members !== null && isReadable(members)) keys.push(kid === undefined ? members : { kid, ...members });
  }
  return keys.length === 0 ? 'has no P-256, Ed25519 or RSA key of 2,048 to 4,096 bits for signatures' : { keys };
}

const LOOPBACK = new Set(['127.0.0.1', '[::1]', 'localhost']);
const URI_MAX = 512;

/** Whether keys may be fetched from the address: https, or in development http on this machine. */
export function isJwksUri(uri: string): boolean {
  if (uri.length > URI_MAX || !/^https?:\/\/[\x21-\x7e]+$/.test(uri) || !URL.canParse(uri)) return false;
  const { protocol, hostname, username, password } = new URL(uri);
  if (username !== '' || password !== '' || uri.includes('#')) return false;
  return protocol === 'https:' || LOOPBACK.has(hostname);
}

export type GivenKeys = { readonly jwks?: unknown; readonly jwks_uri?: string | undefined };
/** Keys as they are stored: the set as JSON text, or where it is fetched; neither unless the client signs assertions. */
export type StoredKeys = { readonly jwks: string | null; readonly jwks_uri: string | null };

/** The member of the registration that is wrong, and why. */
type KeysProblem = { readonly at: 'jwks' | 'jwks_uri'; readonly why: string };

/** The address of the keys if it is what the client registers, null if it registers the keys themselves; or a problem. */
export function chooseAddress({ jwks, jwks_uri: jwksUri }: GivenKeys): StoredKeys | KeysProblem | null {
  if ((jwks === undefined) === (jwksUri === undefined))
    return { at: 'jwks', why: 'or jwks_uri must be given, and not both' };
  if (jwksUri === undefined) return null;
  return isJwksUri(jwksUri)
    ? { jwks: null, jwks_uri: jwksUri }
    : { at: 'jwks_uri', why: `must be an https URL of up to ${URI_MAX} characters without a fragment` };
}

/** The keys to store for `private_key_jwt`, which needs either a set of usable keys or its address. */
export function chooseKeys(given: GivenKeys, keysMax?: number): StoredKeys | KeysProblem {
  const address = chooseAddress(given);
  if (address !== null) return address;
  const read = readClientKeys(given.jwks, keysMax);
  return typeof read === 'string' ? { at: 'jwks', why: read } : { jwks: JSON.stringify(read), jwks_uri: null };
}

export const NO_KEYS: StoredKeys = { jwks: null, jwks_uri: null };
