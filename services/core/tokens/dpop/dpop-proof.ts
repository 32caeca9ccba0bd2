import { isUtf8 } from 'node:buffer';
import { createPublicKey, hash, type JsonWebKey, type KeyObject } from 'node:crypto';
import { canonicalBase64url } from '#services/core/jws/canonical-base64url.ts';
import { type JsonObject, parseStrictObject } from '#services/core/jws/strict-json.ts';
import { verifySignature } from '#services/core/jws/verify-signature.ts';

/** Algorithms of proofs (RFC 9449 §5.1); all asymmetric. */
const DPOP_ALGORITHMS = ['ES256', 'RS256', 'EdDSA'] as const;
type DpopAlgorithm = (typeof DPOP_ALGORITHMS)[number];

/** What a proof must be made for. */
export type DpopExpectations = {
  /** Method and URL of the request that the proof was sent with. */
  readonly htm: string;
  readonly htu: string;
  /** The access token that the proof was sent with, if any. */
  readonly accessToken?: string;
  /** Unix seconds. */
  readonly now: number;
  /** How far the client's clock may be ahead of ours, seconds. */
  readonly leewaySeconds: number;
};

/** A valid proof. Whether it was used before is not checked yet. */
export type DpopProof = {
  /** SHA-256 thumbprint of the proof's key (RFC 7638). */
  readonly jkt: string;
  readonly alg: DpopAlgorithm;
  readonly jti: string;
  /** Unix seconds. */
  readonly iat: number;
  readonly nonce: string | undefined;
};

/** How old a proof may be, seconds. An older replay is rejected by its age, so used proofs need not be kept longer (RFC 9449 §11.1). */
export const PROOF_SECONDS = 60;

const LONGEST_PROOF = 8_192;
const LONGEST_JTI = 256;
const LONGEST_NONCE = 256;
/** Base64url length of a 4,096-bit modulus. Verifying with a longer key would cost too much for one request. */
const LONGEST_MODULUS = 683;
const SHORTEST_MODULUS = 342;
const COORDINATE = /^[\w-]{43}$/;
const PRIVATE_MEMBERS = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k'];

function objectOf(segment: string): JsonObject | null {
  const bytes = canonicalBase64url(segment);
  return bytes !== null && isUtf8(bytes) ? parseStrictObject(bytes.toString('utf8')) : null;
}

/** The public members of a key of the algorithm's type, in the order of RFC 7638; null for any other key. */
function publicMembers(alg: DpopAlgorithm, jwk: JsonObject): JsonWebKey | null {
  if (PRIVATE_MEMBERS.some((member) => member in jwk)) return null;
  const { kty, crv, x, y, n, e } = jwk;
  const isCoordinate = (value: unknown): value is string => typeof value === 'string' && COORDINATE.test(value);
  switch (alg) {
    case 'ES256':
      return kty === 'EC' && crv === 'P-256' && isCoordinate(x) && isCoordinate(y) ? { crv, kty, x, y } : null;
    case 'EdDSA':
      return kty === 'OKP' && crv === 'Ed25519' && isCoordinate(x) ? { crv, kty, x } : null;
    case 'RS256': {
      if (kty !== 'RSA' || typeof n !== 'string' || typeof e !== 'string' || e.length > 8) return null;
      return n.length >= SHORTEST_MODULUS && n.length <= LONGEST_MODULUS ? { e, kty, n } : null;
    }
  }
}

type ProofKey = { readonly alg: DpopAlgorithm; readonly key: KeyObject; readonly jkt: string };

/** Imported keys by algorithm and thumbprint, because importing one costs as much as verifying a signature. */
type ProofKeyCache = Pick<Map<string, KeyObject>, 'get' | 'set' | 'size' | 'clear'>;

export type HasProofKeys = { readonly proofKeys: ProofKeyCache };

export const createProofKeyCache = (): ProofKeyCache => new Map();

const CACHED_KEYS_MAXIMUM = 1_000;

function keyOf(cached: ProofKeyCache, header: JsonObject): ProofKey | null {
  const { typ, alg, jwk, crit } = header;
  if (typeof typ !== 'string' || typ.toLowerCase() !== 'dpop+jwt' || crit !== undefined) return null;
  const known = DPOP_ALGORITHMS.find((name) => name === alg);
  if (known === undefined || jwk === null || typeof jwk !== 'object' || Array.isArray(jwk)) return null;
  const members = publicMembers(known, jwk as JsonObject);
  if (members === null) return null;
  const jkt = hash('sha256', JSON.stringify(members), 'base64url');
  const name = `${known} ${jkt}`;
  try {
    const key = cached.get(name) ?? createPublicKey({ key: members, format: 'jwk' });
    // Leading zeros can make a small modulus look long.
    if (known === 'RS256' && (key.asymmetricKeyDetails?.modulusLength as number) < 2_048) return null;
    if (cached.size >= CACHED_KEYS_MAXIMUM) cached.clear();
    cached.set(name, key);
    return { alg: known, key, jkt };
  } catch {
    // Not a point on the curve, or not a number.
    return null;
  }
}

/** Compares without query and fragment (RFC 9449 §4.3), normalised by RFC 3986 §6.2.2. */
function isSameAddress(claimed: unknown, expected: string): boolean {
  if (typeof claimed !== 'string' || !URL.canParse(claimed) || !URL.canParse(expected)) return false;
  const [a, b] = [new URL(claimed), new URL(expected)];
  return a.protocol === b.protocol && a.host === b.host && a.pathname === b.pathname;
}

const isShortText = (value: unknown, longest: number): value is string =>
  typeof value === 'string' && value !== '' && value.length <= longest;

function claimsFit(claims: JsonObject, expected: DpopExpectations): boolean {
  const { htm, htu, jti, iat, nonce, ath } = claims;
  if (htm !== expected.htm || !isSameAddress(htu, expected.htu)) return false;
  if (!isShortText(jti, LONGEST_JTI) || (nonce !== undefined && !isShortText(nonce, LONGEST_NONCE))) return false;
  if (typeof iat !== 'number' || !Number.isFinite(iat)) return false;
  if (iat > expected.now + expected.leewaySeconds || iat < expected.now - PROOF_SECONDS) return false;
  return expected.accessToken === undefined || ath === hash('sha256', expected.accessToken, 'base64url');
}

/**
 * Verifies a DPoP proof (RFC 9449 §4.3) in memory: format, public key, signature, method, URL, age and token hash.
 * Null for an invalid proof. The caller checks the nonce and the first use.
 */
export function checkDpopProof(cached: ProofKeyCache, proof: string, expected: DpopExpectations): DpopProof | null {
  if (proof.length > LONGEST_PROOF) return null;
  const [first = '', second = '', third = '', ...more] = proof.split('.');
  const header = more.length === 0 ? objectOf(first) : null;
  const signature = header && canonicalBase64url(third);
  const proofKey = header && keyOf(cached, header);
  if (signature === null || proofKey === null) return null;
  const { alg, key, jkt } = proofKey;
  if (!verifySignature({ kid: jkt, alg, key }, `${first}.${second}`, signature)) return null;
  const claims = objectOf(second);
  if (claims === null || !claimsFit(claims, expected)) return null;
  const { jti, iat, nonce } = claims as { jti: string; iat: number; nonce: string | undefined };
  return { jkt, alg, jti, iat, nonce };
}
