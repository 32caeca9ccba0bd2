import { createCipheriv, createDecipheriv, createHash, hkdfSync, timingSafeEqual } from 'node:crypto';
import type { Random } from '#services/core/ports.ts';
import { backupDamaged, backupKeyWrong, backupTruncated, backupUnknownFormat } from './backup-errors.ts';

// A backup is: the magic line · a salt and a check value of the key · sealed pieces · the end mark, the length of all
// before it, and its SHA-256. Each piece is AES-256-GCM under a key of this file alone. Its nonce is its place; the place
// and whether it is the last are authenticated, so a piece that is changed, exchanged, repeated or missing is noticed.

const MAGIC = Buffer.from('sallyport-backup 1\n');
const END_MARK = Buffer.from('\nsallyport-backup-end\n');
const SALT_BYTES = 32;
const CHECK_BYTES = 16;
const HEAD_BYTES = MAGIC.length + SALT_BYTES + CHECK_BYTES;
const PIECE_BYTES = 65_536;
const TAG_BYTES = 16;
const SEALED_BYTES = PIECE_BYTES + TAG_BYTES;
const DIGEST_BYTES = 32;
const TAIL_BYTES = END_MARK.length + 8 + DIGEST_BYTES;

const derived = (key: Uint8Array, salt: Uint8Array, use: string, bytes: number): Buffer =>
  Buffer.from(hkdfSync('sha256', key, salt, `sallyport backup ${use}`, bytes));

const keyOf = (key: Uint8Array, salt: Uint8Array): Buffer => derived(key, salt, 'pieces', 32);
const checkOf = (key: Uint8Array, salt: Uint8Array): Buffer => derived(key, salt, 'check', CHECK_BYTES);

/** 96 bits: the place of the piece, and whether it is the last. */
function nonceOf(place: number, isLast: boolean): Buffer {
  const nonce = Buffer.alloc(12);
  nonce.writeBigUInt64BE(BigInt(place), 3);
  nonce.writeUInt8(isLast ? 1 : 0, 11);
  return nonce;
}

const boundTo = (head: Buffer, nonce: Buffer): Buffer => Buffer.concat([head, nonce]);

/** Cuts a stream into pieces of this size; the last one may be shorter, or empty where the stream is. */
async function* piecesOf(source: AsyncIterable<Uint8Array>, bytes: number): AsyncGenerator<[Buffer, boolean]> {
  let held: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of source) {
    held.push(chunk);
    size += chunk.byteLength;
    if (size <= bytes) continue;
    const all = Buffer.concat(held, size);
    let at = 0;
    // A full piece is held back until more follows, since it may be the last.
    for (; size - at > bytes; at += bytes) yield [all.subarray(at, at + bytes), false];
    held = [all.subarray(at)];
    size -= at;
  }
  yield [Buffer.concat(held, size), true];
}

/**
 * Encrypts and authenticates a stream.
 * @param key 32 bytes
 */
export async function* sealBackup(
  { random }: { readonly random: Pick<Random, 'bytes'> },
  key: Uint8Array,
  plain: AsyncIterable<Uint8Array>,
): AsyncGenerator<Buffer> {
  const salt = random.bytes(SALT_BYTES);
  const head = Buffer.concat([MAGIC, salt, checkOf(key, salt)]);
  const own = keyOf(key, salt);
  const digest = createHash('sha256').update(head);
  let length = head.length;
  yield head;
  let place = 0;
  for await (const [piece, isLast] of piecesOf(plain, PIECE_BYTES)) {
    const nonce = nonceOf(place, isLast);
    const cipher = createCipheriv('aes-256-gcm', own, nonce);
    cipher.setAAD(boundTo(head, nonce));
    const sealed = Buffer.concat([cipher.update(piece), cipher.final(), cipher.getAuthTag()]);
    digest.update(sealed);
    length += sealed.length;
    place += 1;
    yield sealed;
  }
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(length));
  yield Buffer.concat([END_MARK, bytes, digest.digest()]);
}

type Parts = {
  readonly head: Buffer;
  /** What lies between head and tail. */
  readonly body: AsyncGenerator<Buffer>;
  /** Once `body` was read. @throws backupTruncated */
  readonly assertEnd: () => void;
  /** Once `body` was read. @throws backupTruncated, backupDamaged */
  readonly assertTail: () => void;
};

/** Parts a backup without buffering it, and computes its checksum on the way. */
async function partsOf(sealed: AsyncIterable<Uint8Array>): Promise<Parts> {
  const source = sealed[Symbol.asyncIterator]();
  let held = Buffer.alloc(0);
  let isEnded = false;
  async function readMore(): Promise<void> {
    const { value, done } = await source.next();
    if (done) isEnded = true;
    else held = held.length === 0 ? Buffer.from(value) : Buffer.concat([held, value]);
  }
  while (held.length < HEAD_BYTES && !isEnded) await readMore();
  if (!held.subarray(0, MAGIC.length).equals(MAGIC.subarray(0, held.length)) || held.length === 0)
    throw backupUnknownFormat();
  if (held.length < HEAD_BYTES) throw backupTruncated({ detail: 'it ends within its first bytes' });
  const head = held.subarray(0, HEAD_BYTES);
  held = held.subarray(HEAD_BYTES);
  const digest = createHash('sha256').update(head);
  let length = head.length;
  let tail = Buffer.alloc(0);

  async function* body(): AsyncGenerator<Buffer> {
    while (!isEnded) {
      await readMore();
      if (held.length <= TAIL_BYTES) continue;
      const part = held.subarray(0, held.length - TAIL_BYTES);
      held = held.subarray(part.length);
      digest.update(part);
      length += part.length;
      yield part;
    }
    tail = held;
  }

  function assertEnd(): void {
    if (tail.length < TAIL_BYTES || !tail.subarray(0, END_MARK.length).equals(END_MARK))
      throw backupTruncated({ detail: `it ends after ${length + tail.length} bytes, without its end mark` });
  }

  function assertTail(): void {
    assertEnd();
    const given = tail.readBigUInt64BE(END_MARK.length);
    if (given !== BigInt(length))
      throw backupDamaged({ detail: `it says that ${given} bytes precede its end mark, and ${length} do` });
    if (!tail.subarray(END_MARK.length + 8).equals(digest.digest()))
      throw backupDamaged({ detail: `the SHA-256 of its first ${length} bytes is not the one at its end` });
  }
  return { head, body: body(), assertEnd, assertTail };
}

/**
 * Decrypts a backup. Nothing is returned of a piece that is not authentic; that the backup is whole is known when the
 * stream has ended.
 * @throws backupUnknownFormat, backupKeyWrong, backupDamaged, backupTruncated
 */
export async function* openBackup(key: Uint8Array, sealed: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  const { head, body, assertEnd, assertTail } = await partsOf(sealed);
  const salt = head.subarray(MAGIC.length, MAGIC.length + SALT_BYTES);
  if (!timingSafeEqual(checkOf(key, salt), head.subarray(MAGIC.length + SALT_BYTES))) throw backupKeyWrong();
  const own = keyOf(key, salt);
  const opened = (piece: Buffer, place: number, isLast: boolean): Buffer | null => {
    if (piece.length < TAG_BYTES) return null;
    const nonce = nonceOf(place, isLast);
    const decipher = createDecipheriv('aes-256-gcm', own, nonce, { authTagLength: TAG_BYTES });
    decipher.setAAD(boundTo(head, nonce));
    decipher.setAuthTag(piece.subarray(piece.length - TAG_BYTES));
    const plain = decipher.update(piece.subarray(0, piece.length - TAG_BYTES));
    try {
      decipher.final();
      return plain;
    } catch {
      return null;
    }
  };
  let place = 0;
  for await (const [piece, isLast] of piecesOf(body, SEALED_BYTES)) {
    const plain = opened(piece, place, isLast);
    if (plain === null) {
      // The end mark tells a backup that was cut from one that was changed.
      if (isLast) assertEnd();
      const from = HEAD_BYTES + place * SEALED_BYTES;
      throw backupDamaged({ detail: `piece ${place} (bytes ${from} to ${from + piece.length - 1}) is not authentic` });
    }
    place += 1;
    yield plain;
  }
  assertTail();
}

/**
 * Compares a backup with the checksum at its end, without its key: an accident shows, a forgery does not.
 * @throws backupUnknownFormat, backupDamaged, backupTruncated
 */
export async function assertBackupWhole(sealed: AsyncIterable<Uint8Array>): Promise<void> {
  const { body, assertTail } = await partsOf(sealed);
  for await (const _part of body);
  assertTail();
}
