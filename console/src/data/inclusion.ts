/**
 * Verifies in the browser that an event is in the sealed log: its leaf, the path to the root (RFC 9162 §2.1.3.2), and
 * the signature under that root (c2sp.org/signed-note, tlog-checkpoint, tlog-proof). It shares no code with the server.
 */

export type Inclusion = {
  readonly origin: string;
  readonly index: number;
  readonly size: number;
  /** Base64. */
  readonly root: string;
  /** The key that signed the root. */
  readonly vkey: string;
};

/** Why a proof does not hold, as a code that the page has a text for. */
export type InclusionFault =
  | 'proof_malformed'
  | 'wrong_place'
  | 'wrong_root'
  | 'wrong_log'
  | 'not_signed'
  | 'key_replaced';

export class NotIncluded extends Error {
  readonly fault: InclusionFault;
  constructor(fault: InclusionFault) {
    super(fault);
    this.name = 'NotIncluded';
    this.fault = fault;
  }
}

type Bytes = Uint8Array<ArrayBuffer>;

const encoder = new TextEncoder();
const utf8 = (text: string): Bytes => encoder.encode(text);
const join = (...parts: readonly Uint8Array[]): Bytes => {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
};
const isEqual = (left: Uint8Array, right: Uint8Array): boolean =>
  left.length === right.length && left.every((byte, at) => byte === right[at]);
const toBase64 = (bytes: Uint8Array): string => btoa(String.fromCharCode(...bytes));

export function fromBase64(text: string): Bytes {
  try {
    return Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
  } catch {
    throw new NotIncluded('proof_malformed');
  }
}

const sha256 = async (...parts: readonly Uint8Array[]): Promise<Bytes> =>
  new Uint8Array(await crypto.subtle.digest('SHA-256', join(...parts)));
const hashLeaf = (leaf: Uint8Array): Promise<Bytes> => sha256(Uint8Array.of(0), leaf);
const hashNode = (left: Uint8Array, right: Uint8Array): Promise<Bytes> => sha256(Uint8Array.of(1), left, right);

type Proof = { readonly index: number; readonly path: readonly Bytes[]; readonly note: string };

function parseProof(text: string): Proof {
  const end = text.indexOf('\n\n');
  const [header, place = '', ...path] = text.slice(0, Math.max(end, 0)).split('\n');
  const [, index] = /^index (0|[1-9]\d{0,15})$/.exec(place) ?? [];
  if (header !== 'c2sp.org/tlog-proof@v1' || index === undefined) throw new NotIncluded('proof_malformed');
  return { index: Number(index), path: path.map(fromBase64), note: text.slice(end + 2) };
}

/** The root that a leaf and its path lead to; sizes may exceed 2^32, so no bit operators. */
async function rootOf(leaf: Uint8Array, index: number, size: number, path: readonly Bytes[]): Promise<Bytes> {
  let node = index;
  let last = size - 1;
  let hash = await hashLeaf(leaf);
  for (const sibling of path) {
    if (last === 0) throw new NotIncluded('wrong_root');
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
  if (last !== 0) throw new NotIncluded('wrong_root');
  return hash;
}

type NoteKey = { readonly name: string; readonly id: Bytes; readonly point: Bytes };

const ED25519 = 1;
const ID_BYTES = 4;

async function parseVkey(vkey: string): Promise<NoteKey> {
  const [name = '', id = ''] = vkey.split('+', 2);
  const bytes = fromBase64(vkey.slice(name.length + id.length + 2));
  const point = bytes.slice(1);
  const own = (await sha256(utf8(`${name}\n`), bytes)).slice(0, ID_BYTES);
  const hex = [...own].map((byte) => byte.toString(16).padStart(2, '0')).join('');
  if (bytes[0] !== ED25519 || point.length !== 32 || hex !== id) throw new NotIncluded('proof_malformed');
  return { name, id: own, point };
}

/** The text of a note, if this key signed it. */
async function openNote(note: string, vkey: string): Promise<string> {
  const key = await parseVkey(vkey);
  const end = note.lastIndexOf('\n\n');
  if (end < 0) throw new NotIncluded('proof_malformed');
  const text = note.slice(0, end + 1);
  for (const line of note.slice(end + 2).split('\n')) {
    const [, name, encoded = ''] = /^\u2014 ([^ ]+) ([A-Za-z0-9+/]+={0,2})$/.exec(line) ?? [];
    if (name !== key.name) continue;
    const bytes = fromBase64(encoded);
    if (!isEqual(bytes.slice(0, ID_BYTES), key.id)) continue;
    const publicKey = await crypto.subtle.importKey('raw', key.point, 'Ed25519', false, ['verify']);
    if (await crypto.subtle.verify('Ed25519', publicKey, bytes.slice(ID_BYTES), utf8(text))) return text;
  }
  throw new NotIncluded('not_signed');
}

/**
 * @param leaf the sealed bytes
 * @param proof the text of a `.tlog-proof`
 * @param vkey the key that the caller trusts
 * @throws NotIncluded
 */
export async function verifyInclusion(
  leaf: Uint8Array,
  place: { readonly origin: string; readonly index: number },
  proof: string,
  vkey: string,
): Promise<Inclusion> {
  const { index, path, note } = parseProof(proof);
  if (index !== place.index) throw new NotIncluded('wrong_place');
  const [origin, lines, root = ''] = (await openNote(note, vkey)).split('\n');
  const size = Number(lines);
  if (origin !== place.origin) throw new NotIncluded('wrong_log');
  if (!Number.isSafeInteger(size) || index >= size) throw new NotIncluded('wrong_place');
  if (!isEqual(await rootOf(leaf, index, size, path), fromBase64(root))) throw new NotIncluded('wrong_root');
  return { origin, index, size, root: toBase64(fromBase64(root)), vkey };
}

/**
 * The key to trust now: the one trusted before, or one that it names, step by step, in signed notes of rotation.
 * @param notes the answer of `GET /v1/audit/log/key-rotations`
 * @throws NotIncluded `key_replaced` if nothing leads from the trusted key to the one that the log shows
 */
export async function followRotations(trusted: string, shown: string, notes: string): Promise<string> {
  // A blank line stands between notes, and between the two parts of each.
  const parts = notes.split('\n\n');
  let key = trusted;
  for (let at = 0; at + 1 < parts.length; at += 2) {
    const text = `${parts[at] as string}\n`;
    const [title, from, to = ''] = text.split('\n');
    if (from !== key || !title?.endsWith('/key-rotation')) continue;
    await openNote(`${text}\n${parts[at + 1] as string}`, key);
    key = to;
  }
  if (key !== shown) throw new NotIncluded('key_replaced');
  return key;
}
