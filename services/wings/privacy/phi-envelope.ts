import type { PhiEnvelope, PhiLevel, PhiPurpose } from './phi-shapes.ts';
import { KEY_BYTES, NONCE_BYTES, TAG_BYTES, type XaesKey, xaesKey } from './xaes-256-gcm.ts';

/** What a value is bound to: it opens only with the same subject, purpose, level and key version. */
type Binding = {
  readonly level: PhiLevel;
  readonly subjectId: string;
  readonly keyVersion: number;
  readonly purpose: PhiPurpose;
};

/** What a wrapped data key is bound to: it opens only in its own row. */
export type DataKeyPlace = { readonly subjectId: string; readonly level: PhiLevel; readonly version: number };

/** A value or a wrapped key does not open: its key, what it is bound to, or its bytes differ. */
export class PhiOpenError extends Error {
  constructor() {
    super('an encrypted value does not open');
    this.name = 'PhiOpenError';
  }
}

const FORMAT = 'phi1';
const WRAP = 'dk1.';
/** At level `high` every length is rounded up to a multiple of this. */
const BLOCK_BYTES = 256;
const END = 0x80;

// JSON arrays are unambiguous: no two bindings have the same bytes.
const bytesOf = (...parts: readonly (string | number)[]): Buffer => Buffer.from(JSON.stringify(parts));
const aadOf = ({ level, subjectId, keyVersion, purpose }: Binding): Buffer =>
  bytesOf('sallyport phi', FORMAT, level, subjectId, keyVersion, purpose);
const placeOf = ({ subjectId, level, version }: DataKeyPlace): Buffer =>
  bytesOf('sallyport phi data key', WRAP, subjectId, level, version);

/** Accepts one spelling of the bytes only: base64url ignores the spare bits of its last character. */
function decoded(text: string): Buffer {
  const bytes = Buffer.from(text, 'base64url');
  if (bytes.toString('base64url') !== text) throw new PhiOpenError();
  return bytes;
}

/** Appends a marker and zeros, as ISO/IEC 9797-1 padding method 2. */
function padded(text: Buffer): Buffer {
  const whole = Buffer.alloc(Math.ceil((text.length + 1) / BLOCK_BYTES) * BLOCK_BYTES);
  text.copy(whole);
  whole[text.length] = END;
  return whole;
}

function opened<T>(work: () => T): T {
  try {
    return work();
  } catch {
    // OpenSSL's reason says nothing more, and an error about a value must not carry a part of it.
    throw new PhiOpenError();
  }
}

/**
 * Encrypts a JSON value under a subject's data key.
 * @param iv 24 fresh random bytes
 */
export function sealPhi(dataKey: Uint8Array, binding: Binding, data: unknown, iv: Buffer): PhiEnvelope {
  const text = Buffer.from(JSON.stringify(data));
  const plain = binding.level === 'high' ? padded(text) : text;
  const { ciphertext, tag } = xaesKey(dataKey).seal(iv, plain, aadOf(binding));
  plain.fill(0);
  text.fill(0);
  return {
    format: FORMAT,
    level: binding.level,
    subject_id: binding.subjectId,
    key_version: binding.keyVersion,
    iv: iv.toString('base64url'),
    tag: tag.toString('base64url'),
    ciphertext: ciphertext.toString('base64url'),
  };
}

/** Decrypts what `sealPhi` returned. @throws PhiOpenError */
export function openPhi(dataKey: Uint8Array, envelope: PhiEnvelope, purpose: PhiPurpose): unknown {
  const { level, subject_id: subjectId, key_version: keyVersion } = envelope;
  return opened(() => {
    const sealed = { ciphertext: decoded(envelope.ciphertext), tag: decoded(envelope.tag) };
    const aad = aadOf({ level, subjectId, keyVersion, purpose });
    const plain = xaesKey(dataKey).open(decoded(envelope.iv), sealed, aad);
    const text = level === 'high' ? plain.subarray(0, plain.lastIndexOf(END)) : plain;
    const data: unknown = JSON.parse(text.toString('utf8'));
    plain.fill(0);
    return data;
  });
}

/**
 * Encrypts a data key under a key-encryption key, for its row.
 * @param nonce 24 fresh random bytes
 */
export function wrapDataKey(
  keyEncryptionKey: XaesKey,
  dataKey: Uint8Array,
  place: DataKeyPlace,
  nonce: Buffer,
): string {
  const { ciphertext, tag } = keyEncryptionKey.seal(nonce, dataKey, placeOf(place));
  return WRAP + Buffer.concat([nonce, tag, ciphertext]).toString('base64url');
}

/** @throws PhiOpenError */
export const unwrapDataKey = (keyEncryptionKey: XaesKey, wrapped: string, place: DataKeyPlace): Buffer =>
  opened(() => {
    const raw = decoded(wrapped.slice(WRAP.length));
    if (!wrapped.startsWith(WRAP) || raw.length !== NONCE_BYTES + TAG_BYTES + KEY_BYTES) throw new PhiOpenError();
    const sealed = {
      tag: raw.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES),
      ciphertext: raw.subarray(NONCE_BYTES + TAG_BYTES),
    };
    return keyEncryptionKey.open(raw.subarray(0, NONCE_BYTES), sealed, placeOf(place));
  });
