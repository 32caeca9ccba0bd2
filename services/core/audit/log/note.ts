import { createHash, createPublicKey, type KeyObject, verify } from 'node:crypto';
import { HASH_BYTES } from './merkle.ts';

/** Signature types of c2sp.org/signed-note. */
const ED25519 = 0x01;
const COSIGNATURE_V1 = 0x04;
type SignatureType = typeof ED25519 | typeof COSIGNATURE_V1;

/** The public part of a key that signs notes. */
export type NoteKey = {
  readonly name: string;
  readonly type: SignatureType;
  /** Raw Ed25519 point, 32 bytes. */
  readonly publicKey: Buffer;
  /** First four bytes of SHA-256(name ‖ LF ‖ type ‖ public key). */
  readonly id: Buffer;
};

export type NoteSigner = {
  readonly key: NoteKey;
  /** Ed25519 over exactly these bytes. */
  sign(message: Uint8Array): Uint8Array;
};

type NoteSignature = { readonly name: string; readonly id: Buffer; readonly signature: Buffer };
type SignedNote = { readonly text: string; readonly signatures: readonly NoteSignature[] };

const PUBLIC_KEY_BYTES = 32;
const ID_BYTES = 4;
const SIGNATURES_MAX = 100;
const NOTE_BYTES_MAX = 1_000_000;

/** Key names are non-empty and free of spaces, `+` and control characters. */
export const isKeyName = (name: string): boolean => name.length <= 512 && /^[^\s+\p{Cc}\p{Cs}]+$/u.test(name);

/** @throws TypeError if the name is not a valid key name, or the key does not have 32 bytes */
export function noteKey(name: string, publicKey: Uint8Array, type: SignatureType = ED25519): NoteKey {
  if (!isKeyName(name)) throw new TypeError('a key name has a space, a plus sign or a control character');
  if (publicKey.byteLength !== PUBLIC_KEY_BYTES) throw new TypeError('an Ed25519 public key has 32 bytes');
  const bytes = Buffer.from([type, ...publicKey]);
  const id = createHash('sha256').update(`${name}\n`).update(bytes).digest().subarray(0, ID_BYTES);
  return { name, type, publicKey: bytes.subarray(1), id };
}

const keyBytes = ({ type, publicKey }: NoteKey): Buffer => Buffer.concat([Buffer.from([type]), publicKey]);

/** The verifier key that clients pin: `name+hex(id)+base64(type ‖ public key)`. */
export const vkeyOf = (key: NoteKey): string =>
  `${key.name}+${key.id.toString('hex')}+${keyBytes(key).toString('base64')}`;

/** @throws TypeError unless the text is the exact vkey of a key with a known type */
export function parseVkey(vkey: string): NoteKey {
  const [name = '', , encoded = ''] = vkey.split('+', 3);
  const bytes = Buffer.from(vkey.slice(name.length + 10), 'base64');
  const type = bytes[0];
  if (encoded === '' || (type !== ED25519 && type !== COSIGNATURE_V1)) throw new TypeError('not a vkey');
  const key = noteKey(name, bytes.subarray(1), type);
  if (vkeyOf(key) !== vkey) throw new TypeError('not a vkey');
  return key;
}

// SubjectPublicKeyInfo of Ed25519, without the 32 bytes of the key (RFC 8410 §4).
const SPKI_PREFIX = Buffer.from('302a300506032b6570032100', 'hex');
const publicKeyOf = (key: NoteKey): KeyObject =>
  createPublicKey({ key: Buffer.concat([SPKI_PREFIX, key.publicKey]), format: 'der', type: 'spki' });

const signatureLine = (name: string, id: Uint8Array, signature: Uint8Array): string =>
  `\u2014 ${name} ${Buffer.concat([id, signature]).toString('base64')}\n`;

/**
 * Signs a note with every signer, in this order (c2sp.org/signed-note).
 * @param text must end with LF and contain no other control character
 */
export const signNote = (text: string, signers: readonly NoteSigner[]): string =>
  `${text}\n${signers.map(({ key, sign }) => signatureLine(key.name, key.id, sign(Buffer.from(text)))).join('')}`;

/** The text is not a signed note, or the signature of a known key is wrong. */
export class NoteError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'NoteError';
  }
}

const SIGNATURE_LINE = /^\u2014 ([^ ]+) ([A-Za-z0-9+/]+={0,2})$/;

function parseSignatureLine(line: string): NoteSignature {
  const [, name = '', encoded = ''] = SIGNATURE_LINE.exec(line) ?? [];
  const bytes = Buffer.from(encoded, 'base64');
  if (!isKeyName(name) || bytes.length <= ID_BYTES || bytes.toString('base64') !== encoded)
    throw new NoteError('a signature line is malformed');
  return { name, id: bytes.subarray(0, ID_BYTES), signature: bytes.subarray(ID_BYTES) };
}

/**
 * Parses a note without verifying its signatures.
 * @throws NoteError
 */
export function parseNote(note: string): SignedNote {
  if (note.length > NOTE_BYTES_MAX || !note.isWellFormed() || /[^\P{Cc}\n]/u.test(note))
    throw new NoteError('a note is too long, not UTF-8 or has control characters');
  const end = note.lastIndexOf('\n\n');
  if (end < 0 || !note.endsWith('\n')) throw new NoteError('a note has no signatures');
  const lines = note.slice(end + 2, -1).split('\n');
  if (lines.length > SIGNATURES_MAX) throw new NoteError('a note has too many signatures');
  return { text: note.slice(0, end + 1), signatures: lines.map(parseSignatureLine) };
}

const COSIGNATURE_TIME_BYTES = 8;

/** Verifies the signature of this key over this text. The signed message of a cosignature includes its time. */
export function verifiesNote(key: NoteKey, text: string, { signature }: NoteSignature): boolean {
  if (key.type === ED25519) return verify(null, Buffer.from(text), publicKeyOf(key), signature);
  if (signature.length <= COSIGNATURE_TIME_BYTES) return false;
  const message = `cosignature/v1\ntime ${signature.readBigUInt64BE()}\n${text}`;
  return verify(null, Buffer.from(message), publicKeyOf(key), signature.subarray(COSIGNATURE_TIME_BYTES));
}

/**
 * Keeps the lines that are valid signatures of this key over the text.
 * @returns lines with their LF
 */
export const goodSignatures = (key: NoteKey, text: string, lines: readonly string[]): string[] =>
  lines.flatMap((line) => {
    if (!SIGNATURE_LINE.test(line)) return [];
    const signature = parseSignatureLine(line);
    const isOurs = signature.name === key.name && signature.id.equals(key.id);
    return isOurs && verifiesNote(key, text, signature) ? [`${line}\n`] : [];
  });

/** Unix seconds inside a cosignature/v1. */
export const cosignatureTime = ({ signature }: NoteSignature): number => Number(signature.readBigUInt64BE());

/**
 * Verifies a note with trusted keys. Ignores signatures of other keys.
 * @returns the text, and the trusted keys that signed it: at least one
 * @throws NoteError if the note is malformed, a trusted key's signature is wrong, or no trusted key signed
 */
export function openNote(
  note: string,
  trusted: readonly NoteKey[],
): { readonly text: string; readonly by: readonly NoteKey[] } {
  const { text, signatures } = parseNote(note);
  const by: NoteKey[] = [];
  for (const signature of signatures) {
    const key = trusted.find(({ name, id }) => name === signature.name && id.equals(signature.id));
    if (key === undefined || by.includes(key)) continue;
    if (!verifiesNote(key, text, signature)) throw new NoteError(`the signature of ${key.name} is wrong`);
    by.push(key);
  }
  if (by.length === 0) throw new NoteError('no trusted key signed this note');
  return { text, by };
}

/** The head of a log (c2sp.org/tlog-checkpoint). */
type Checkpoint = { readonly origin: string; readonly size: number; readonly root: Buffer };

/** The signed text: origin, size and root, one line each. */
export const checkpointText = ({ origin, size, root }: Checkpoint): string =>
  `${origin}\n${size}\n${root.toString('base64')}\n`;

/**
 * Parses the text of a note. Ignores extension lines.
 * @throws TypeError if the text is not a checkpoint
 */
export function parseCheckpoint(text: string): Checkpoint {
  const [origin = '', size = '', root = ''] = text.split('\n');
  const bytes = Buffer.from(root, 'base64');
  const isCheckpoint =
    text.endsWith('\n') &&
    origin !== '' &&
    /^(0|[1-9]\d{0,15})$/.test(size) &&
    Number.isSafeInteger(Number(size)) &&
    bytes.length === HASH_BYTES &&
    bytes.toString('base64') === root;
  if (!isCheckpoint) throw new TypeError('not a checkpoint');
  return { origin, size: Number(size), root: bytes };
}
