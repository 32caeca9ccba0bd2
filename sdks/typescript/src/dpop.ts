import { type CryptoKey, compactVerify, importJWK, type JWK } from 'jose';
import { bytesOf, decodeBase64url, isCanonicalBase64url, sha256, textOf } from './encoding.ts';
import { LIMITS } from './generated/contract.ts';
import { hasPrivateMember, publicMembersOf } from './key-set.ts';
import { isObject, type JsonObject, parseStrictObject } from './strict-json.ts';

/** What a proof must be made for. */
export type ProofExpectations = {
  readonly method: string;
  readonly url: string;
  readonly accessToken: string;
  /** Unix seconds. */
  readonly now: number;
  readonly clockSkew: number;
};

/** A valid proof. Whether it was used before is not checked yet. */
export type Proof = { readonly jkt: string; readonly jti: string };

/** Bytes of a modulus of 4,096 bits: verifying with a longer key would cost too much for one request. */
const LONGEST_MODULUS = 512;
const CACHED_KEYS = 1_000;

type ProofKey = { readonly alg: string; readonly jkt: string; readonly key: CryptoKey | Uint8Array };

/** Imported keys by thumbprint: importing one costs as much as verifying a signature. */
export type ProofKeys = Map<string, ProofKey>;

function objectOf(segment: string): JsonObject | null {
  const bytes = decodeBase64url(segment);
  const text = bytes && textOf(bytes);
  return text === null ? null : parseStrictObject(text);
}

async function keyOf(cached: ProofKeys, header: JsonObject): Promise<ProofKey | null> {
  const { typ, alg, jwk, crit } = header;
  if (typeof typ !== 'string' || typ.toLowerCase() !== 'dpop+jwt' || crit !== undefined) return null;
  if (!isObject(jwk) || hasPrivateMember(jwk)) return null;
  const members = publicMembersOf(alg, jwk, LONGEST_MODULUS);
  if (members === null) return null;
  const jkt = await thumbprintOf(members);
  const name = `${alg as string} ${jkt}`;
  const known = cached.get(name);
  if (known !== undefined) return known;
  try {
    const made = { alg: alg as string, jkt, key: await importJWK(members, alg as string) };
    if (cached.size >= CACHED_KEYS) cached.clear();
    cached.set(name, made);
    return made;
  } catch {
    // Not a point on the curve, or not a number.
    return null;
  }
}

/** RFC 7638; the members are in its order. */
const thumbprintOf = (members: JWK): Promise<string> => sha256(bytesOf(JSON.stringify(members)));

/** Compares without query and fragment (RFC 9449 §4.3), normalised by RFC 3986 §6.2.2. */
function isSameAddress(claimed: unknown, expected: string): boolean {
  if (typeof claimed !== 'string' || !URL.canParse(claimed) || !URL.canParse(expected)) return false;
  const [a, b] = [new URL(claimed), new URL(expected)];
  return a.protocol === b.protocol && a.host === b.host && a.pathname === b.pathname;
}

const isShortText = (value: unknown): value is string =>
  typeof value === 'string' && value !== '' && value.length <= LIMITS.proofClaimCharacters;

/** FAPI 2.0 §5.3.2.1 allows clients 10 seconds. */
export const aheadSeconds = ({ clockSkew }: { readonly clockSkew: number }): number =>
  Math.max(clockSkew, LIMITS.proofAheadSeconds);

function claimsFit({ htm, htu, jti, iat, nonce }: JsonObject, expected: ProofExpectations): boolean {
  if (htm !== expected.method || !isSameAddress(htu, expected.url)) return false;
  if (!isShortText(jti) || (nonce !== undefined && !isShortText(nonce))) return false;
  if (typeof iat !== 'number' || !Number.isFinite(iat)) return false;
  const now = Math.floor(expected.now);
  return iat <= now + aheadSeconds(expected) && iat >= now - LIMITS.proofSeconds;
}

/**
 * Verifies a DPoP proof (RFC 9449 §4.3): form, public key, signature, method, URL, age and token hash. Null for an
 * invalid proof. The caller checks that it was not used before.
 */
export async function checkProof(cached: ProofKeys, proof: string, expected: ProofExpectations): Promise<Proof | null> {
  if (proof.length > LIMITS.proofCharacters) return null;
  const [first = '', second = '', third = '', ...more] = proof.split('.');
  const header = more.length === 0 ? objectOf(first) : null;
  if (header === null || !isCanonicalBase64url(third)) return null;
  const known = await keyOf(cached, header);
  if (known === null) return null;
  try {
    await compactVerify(proof, known.key, { algorithms: [known.alg] });
  } catch {
    return null;
  }
  const claims = objectOf(second);
  if (claims === null || !claimsFit(claims, expected)) return null;
  if (claims.ath !== (await sha256(bytesOf(expected.accessToken)))) return null;
  return { jkt: known.jkt, jti: claims.jti as string };
}

/** SHA-256 thumbprint of a certificate in DER (RFC 8705 §3.1). */
export const certificateThumbprint = (der: Uint8Array): Promise<string> => sha256(new Uint8Array(der));
