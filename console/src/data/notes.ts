/**
 * Signed notes and the keys that sign them (c2sp.org/signed-note), verified in the browser. It shares no code with the
 * server.
 */

/** Why a proof or a signature is not accepted, as a code that pages have a text for. */
export type ProofFault = 'proof_malformed' | 'wrong_place' | 'wrong_root' | 'wrong_log' | 'not_signed' | 'key_replaced';

export class ProofError extends Error {
  readonly fault: ProofFault;
  constructor(fault: ProofFault) {
    super(fault);
    this.name = 'ProofError';
    this.fault = fault;
  }
}

export type Bytes = Uint8Array<ArrayBuffer>;

const encoder = new TextEncoder();
export const utf8 = (text: string): Bytes => encoder.encode(text);
export const isEqual = (left: Uint8Array, right: Uint8Array): boolean =>
  left.length === right.length && left.every((byte, at) => byte === right[at]);
export const toHex = (bytes: Uint8Array): string =>
  [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');
export const toBase64 = (bytes: Uint8Array): string =>
  btoa([...bytes].map((byte) => String.fromCharCode(byte)).join(''));

/** @throws ProofError `proof_malformed` unless the text is exactly how these bytes are written */
export function fromBase64(text: string): Bytes {
  try {
    const bytes = Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
    if (toBase64(bytes) === text) return bytes;
  } catch {
    // As below.
  }
  throw new ProofError('proof_malformed');
}

export async function sha256(...parts: readonly Uint8Array[]): Promise<Bytes> {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return new Uint8Array(await crypto.subtle.digest('SHA-256', all));
}

type NoteKey = { readonly name: string; readonly id: Bytes; readonly point: Bytes };

const ED25519 = 1;
const ID_BYTES = 4;
const KEY_BYTES = 33;

async function parseVkey(vkey: string): Promise<NoteKey> {
  const [name = '', id = ''] = vkey.split('+', 2);
  const bytes = fromBase64(vkey.slice(name.length + id.length + 2));
  const own = (await sha256(utf8(`${name}\n`), bytes)).slice(0, ID_BYTES);
  if (bytes[0] !== ED25519 || bytes.length !== KEY_BYTES || toHex(own) !== id) throw new ProofError('proof_malformed');
  return { name, id: own, point: bytes.slice(1) };
}

/** @throws ProofError `proof_malformed` unless the text is a verifier key */
export const assertVkey = async (vkey: string): Promise<void> => void (await parseVkey(vkey));

/**
 * The text of a note, and the key that signed it.
 * @param vkeys the keys that the caller trusts; signatures of others are ignored
 * @throws ProofError `proof_malformed`, or `not_signed` if no trusted key signed it, or a signature of one is wrong
 */
export async function openNote(
  note: string,
  vkeys: readonly string[],
): Promise<{ readonly text: string; readonly vkey: string }> {
  const end = note.lastIndexOf('\n\n');
  if (end < 0 || !note.endsWith('\n')) throw new ProofError('proof_malformed');
  const text = note.slice(0, end + 1);
  const signatures = note
    .slice(end + 2, -1)
    .split('\n')
    .map((line) => {
      const [, name, encoded = ''] = /^\u2014 ([^ ]+) ([A-Za-z0-9+/]+={0,2})$/.exec(line) ?? [];
      if (name === undefined) throw new ProofError('not_signed');
      return { name, bytes: fromBase64(encoded) };
    });
  let signedBy: string | undefined;
  for (const vkey of vkeys) {
    const key = await parseVkey(vkey);
    const found = signatures.find(({ name, bytes }) => name === key.name && isEqual(bytes.slice(0, ID_BYTES), key.id));
    if (found === undefined) continue;
    const publicKey = await crypto.subtle.importKey('raw', key.point, 'Ed25519', false, ['verify']);
    const isGood = await crypto.subtle.verify('Ed25519', publicKey, found.bytes.slice(ID_BYTES), utf8(text));
    if (!isGood) throw new ProofError('not_signed');
    signedBy ??= vkey;
  }
  if (signedBy === undefined) throw new ProofError('not_signed');
  return { text, vkey: signedBy };
}

/**
 * The keys to trust now: those trusted before, and each one that they name, step by step, in signed notes of rotation.
 * @param notes the answer of `GET /v1/audit/log/key-rotations`
 * @throws ProofError `key_replaced` if none of the keys that the log shows is among them
 */
export async function followRotations(
  trusted: readonly string[],
  shown: readonly string[],
  notes: string,
): Promise<readonly string[]> {
  // A blank line stands between notes, and between the two parts of each.
  const parts = notes.split('\n\n');
  const keys = new Set(trusted);
  for (let at = 0; at + 1 < parts.length; at += 2) {
    const text = `${parts[at] as string}\n`;
    const [title, from = '', to = ''] = text.split('\n');
    if (!keys.has(from) || !title?.endsWith('/key-rotation')) continue;
    await openNote(`${text}\n${(parts[at + 1] as string).replace(/\n?$/, '\n')}`, [from]);
    keys.add(to);
  }
  if (!shown.some((vkey) => keys.has(vkey))) throw new ProofError('key_replaced');
  return [...keys];
}
