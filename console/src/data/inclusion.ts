import { type Bytes, fromBase64, isEqual, openNote, ProofError, sha256, toBase64 } from './notes.ts';

/**
 * Verifies in the browser that an event is in the sealed log: its leaf, the path to the root (RFC 9162 §2.1.3.2), and
 * the signature under that root (c2sp.org/tlog-checkpoint, tlog-proof). It shares no code with the server.
 */

export type Head = { readonly origin: string; readonly size: number; readonly root: Bytes };

export type Inclusion = {
  readonly origin: string;
  readonly index: number;
  readonly size: number;
  /** Base64. */
  readonly root: string;
  /** The key that signed the root. */
  readonly vkey: string;
};

const ROOT_BYTES = 32;

const hashLeaf = (leaf: Uint8Array): Promise<Bytes> => sha256(Uint8Array.of(0), leaf);
export const hashNode = (left: Uint8Array, right: Uint8Array): Promise<Bytes> => sha256(Uint8Array.of(1), left, right);

/** @throws ProofError */
export async function openHead(
  checkpoint: string,
  vkeys: readonly string[],
): Promise<Head & { readonly vkey: string }> {
  const { text, vkey } = await openNote(checkpoint, vkeys);
  const [origin = '', size = '', root = ''] = text.split('\n');
  const bytes = fromBase64(root);
  if (!/^(0|[1-9]\d{0,15})$/.test(size) || !Number.isSafeInteger(Number(size)) || bytes.length !== ROOT_BYTES)
    throw new ProofError('proof_malformed');
  return { origin, size: Number(size), root: bytes, vkey };
}

type Proof = { readonly index: number; readonly path: readonly Bytes[]; readonly checkpoint: string };

function parseProof(text: string): Proof {
  const end = text.indexOf('\n\n');
  const [header, place = '', ...path] = text.slice(0, Math.max(end, 0)).split('\n');
  const [, index] = /^index (0|[1-9]\d{0,15})$/.exec(place) ?? [];
  if (header !== 'c2sp.org/tlog-proof@v1' || index === undefined) throw new ProofError('proof_malformed');
  return { index: Number(index), path: path.map(fromBase64), checkpoint: text.slice(end + 2) };
}

/** The root that a leaf and its path lead to; sizes may exceed 2^32, so no bit operators. */
async function rootOf(leaf: Uint8Array, index: number, size: number, path: readonly Bytes[]): Promise<Bytes> {
  let node = index;
  let last = size - 1;
  let hash = await hashLeaf(leaf);
  for (const sibling of path) {
    if (last === 0) throw new ProofError('wrong_root');
    if (node % 2 === 1 || node === last) {
      hash = await hashNode(sibling, hash);
      while (node % 2 === 0 && node !== 0) {
        node /= 2;
        last = Math.floor(last / 2);
      }
    } else hash = await hashNode(hash, sibling);
    node = Math.floor(node / 2);
    last = Math.floor(last / 2);
  }
  if (last !== 0) throw new ProofError('wrong_root');
  return hash;
}

/**
 * @param leaf the sealed bytes
 * @param place where it should be; without an index, where the proof says
 * @param proof the text of a `.tlog-proof`
 * @param vkeys the keys that the caller trusts
 * @throws ProofError
 */
export async function verifyInclusion(
  leaf: Uint8Array,
  place: { readonly origin: string; readonly index?: number },
  proof: string,
  vkeys: readonly string[],
): Promise<Inclusion> {
  const { index, path, checkpoint } = parseProof(proof);
  if (index !== (place.index ?? index)) throw new ProofError('wrong_place');
  const { origin, size, root, vkey } = await openHead(checkpoint, vkeys);
  if (origin !== place.origin) throw new ProofError('wrong_log');
  if (index >= size) throw new ProofError('wrong_place');
  if (!isEqual(await rootOf(leaf, index, size, path), root)) throw new ProofError('wrong_root');
  return { origin, index, size, root: toBase64(root), vkey };
}
