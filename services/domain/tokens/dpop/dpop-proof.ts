import { isUtf8 } from 'node:buffer';
import { createPublicKey, hash, type JsonWebKey, type KeyObject } from 'node:crypto';
import { canonicalBase64url } from '#services/domain/jws/canonical-base64url.ts';
import { type JsonObject, parseStrictObject } from '#services/domain/jws/strict-json.ts';
import { verifySignature } from '#services/domain/jws/verify-signature.ts';

/** Algorithms of proofs (RFC 9449 §5.1); all asymmetric. */
const DPOP_ALGORITHMS = ['ES256', 'RS256', 'EdDSA'] as const;
type DpopAlgorithm = (typeof DPOP_ALGORITHMS)[number];

/** What a proof must be of. */
export type DpopExpectations = {
  /** Method and address of the request it came with. */
  readonly htm: string;
  readonly htu: string;
  /** The token it came with, where it came with one. */
  readonly accessToken?: string;
  /** Unix seconds. */
  readonly now: number;
  /** How far ahead of ours its clock may be, seconds. */
  readonly leewaySeconds: number;
};

/** A proof that holds; whether it was used before is not known yet. */
export type DpopProof = {
  /** SHA-256 thumbprint of its key (RFC 7638). */
  readonly jkt: string;
  readonly jti: string;
  /** Unix seconds. */
  readonly iat: number;
  readonly nonce: string | undefined;
};

/** How old a proof may be, seconds; a replay of an older one needs no memory to be refused (RFC 9449 §11.1). */
export const PROOF_SECONDS = 60;

const LONGEST_PROOF = 8_192;
const LONGEST_JTI = 256;
const LONGEST_NONCE = 256;
/** Base64url of a 4,096-bit modulus: a longer one costs more to check than a request is worth. */
const LONGEST_MODULUS = 683;
const SHORTEST_MODULUS = 342;
const COORDINATE = /^[\w-]{43}$/;
const PRIVATE_MEMBERS = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k'];

function objectOf(segment: string): JsonObject | null {
  const bytes = canonicalBase64url(segment);
  return bytes !== null && isUtf8(bytes) ? parseStrictObject(bytes.toString('utf8')) : null;
}

/** The public members of a key that goes with the algorithm, in the order of RFC 7638, or null: one key, one kind. */
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

/** Keys of proofs, by thumbprint: importing one costs as much as a signature. */
const knownKeys = new Map<string, KeyObject>();
const KNOWN_KEYS_MAXIMUM = 1_000;

function keyOf(header: JsonObject): ProofKey | null {
  const { typ, alg, jwk, crit } = header;
  if (typeof typ !== 'string' || typ.toLowerCase() !== 'dpop+jwt' || crit !== undefined) return null;
  const known = DPOP_ALGORITHMS.find((name) => name === alg);
  if (known === undefined || jwk === null || typeof jwk !== 'object' || Array.isArray(jwk)) return null;
  const members = publicMembers(known, jwk as JsonObject);
  if (members === null) return null;
  const jkt = hash('sha256', JSON.stringify(members), 'base64url');
  const name = `${known} ${jkt}`;
  try {
    const key = knownKeys.get(name) ?? createPublicKey({ key: members, format: 'jwk' });
    // Leading zeros make a small modulus long.
    if (known === 'RS256' && (key.asymmetricKeyDetails?.modulusLength as number) < 2_048) return null;
    if (knownKeys.size >= KNOWN_KEYS_MAXIMUM) knownKeys.clear();
    knownKeys.set(name, key);
    return { alg: known, key, jkt };
  } catch {
    // Not a point of the curve, or no number.
    return null;
  }
}

/** RFC 9449 §4.3: compared without query and fragment, as RFC 3986 §6.2.2 normalises. */
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
 * Judges a DPoP proof (RFC 9449 §4.3) from memory: form, one key of one kind that is public, signature, method,
 * address, age, token hash. Null for anything else. Nonce and first use are the caller's.
 */
export function checkDpopProof(proof: string, expected: DpopExpectations): DpopProof | null {
  if (proof.length > LONGEST_PROOF) return null;
  const [first = '', second = '', third = '', ...more] = proof.split('.');
  const header = more.length === 0 ? objectOf(first) : null;
  const signature = header && canonicalBase64url(third);
  const proofKey = header && keyOf(header);
  if (signature === null || proofKey === null) return null;
  const { alg, key, jkt } = proofKey;
  if (!verifySignature({ kid: jkt, alg, key }, `${first}.${second}`, signature)) return null;
  const claims = objectOf(second);
  if (claims === null || !claimsFit(claims, expected)) return null;
  const { jti, iat, nonce } = claims as { jti: string; iat: number; nonce: string | undefined };
  return { jkt, jti, iat, nonce };
}
