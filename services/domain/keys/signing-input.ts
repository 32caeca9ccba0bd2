import type { AsymmetricAlgorithm } from './algorithm-shapes.ts';
import { ACCESS_PURPOSE, algorithmPurpose, type KeyAlgorithm, sharedSecretPurpose } from './key-timeline.ts';
import type { OpenKeys, Signer } from './open-keys.ts';

const TYPS_KEPT = 16;
const SHARED_SECRET_TYP = 'at+jwt';

const encode = (text: string): string => Buffer.from(text).toString('base64url');

/** The one key of a purpose whose range is current. */
function signerAt(keys: OpenKeys, purpose: string, nowMs: number): Signer | undefined {
  const signers = keys.signers.get(purpose);
  if (signers === undefined) return undefined;
  for (const signer of signers) if (nowMs >= signer.row.signsFrom && nowMs < signer.until) return signer;
  return undefined;
}

/** What a token needs of its key. */
export type SignerNeeds = {
  readonly typ: string;
  readonly audience: unknown;
  /** The algorithm that the client is registered for; undefined: the default. */
  readonly algorithm: AsymmetricAlgorithm | undefined;
};

/**
 * The key that signs now. In HS256 mode access tokens are signed with the secret shared with their audience, if any. A
 * client's own algorithm comes first; no key of another algorithm replaces it.
 */
export function chooseSigner(
  keys: OpenKeys,
  mode: KeyAlgorithm,
  { typ, audience, algorithm }: SignerNeeds,
  nowMs: number,
): Signer | undefined {
  if (algorithm !== undefined) {
    const signer = signerAt(keys, ACCESS_PURPOSE, nowMs);
    return signer?.row.alg === algorithm ? signer : signerAt(keys, algorithmPurpose(algorithm), nowMs);
  }
  if (mode === 'HS256' && typ === SHARED_SECRET_TYP && typeof audience === 'string') {
    const shared = signerAt(keys, sharedSecretPurpose(audience), nowMs);
    if (shared) return shared;
  }
  return signerAt(keys, ACCESS_PURPOSE, nowMs);
}

function headerOf(signer: Signer, typ: string): string {
  const known = signer.headers.get(typ);
  if (known !== undefined) return known;
  const made = `${encode(JSON.stringify({ alg: signer.row.alg, kid: signer.row.kid, typ }))}.`;
  if (signer.headers.size < TYPS_KEPT) signer.headers.set(typ, made);
  return made;
}

/**
 * What a key signs (RFC 7515 §5.1): protected header and payload.
 * @throws RangeError where the key would leave the key set before this token expires
 */
export function signingInput(signer: Signer, typ: string, claims: object, nowMs: number): string {
  const { exp } = claims as { readonly exp?: unknown };
  const { longestTokenSeconds } = signer.row;
  const longest = nowMs / 1_000 + longestTokenSeconds;
  if (typeof exp === 'number' && exp > longest + 1)
    throw new RangeError(`a token of ${Math.ceil(exp - nowMs / 1_000)} s outlives its key's ${longestTokenSeconds} s`);
  return headerOf(signer, typ) + encode(JSON.stringify(claims));
}
