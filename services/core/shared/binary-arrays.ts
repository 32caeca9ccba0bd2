/**
 * Postgres arrays in binary form: the cheapest encoding for both ends, with nothing to escape.
 * Layout: dimensions, null flag, element type, length, lower bound, then each element with its length (-1: null).
 */

const TYPE_OIDS = {
  bool: 16,
  bytea: 17,
  int2: 21,
  int4: 23,
  int8: 20,
  text: 25,
  timestamptz: 1184,
  uuid: 2950,
} as const;
const HEADER_BYTES = 20;

function start(type: keyof typeof TYPE_OIDS, length: number, elementBytes: number): Buffer {
  const array = Buffer.allocUnsafe(HEADER_BYTES + 4 * length + elementBytes);
  array.writeInt32BE(1, 0);
  array.writeInt32BE(1, 4);
  array.writeInt32BE(TYPE_OIDS[type], 8);
  array.writeInt32BE(length, 12);
  array.writeInt32BE(1, 16);
  return array;
}

/** `int2[]` or `int4[]`. */
export function integerArray<T>(type: 'int2' | 'int4', items: readonly T[], read: (item: T) => number): Buffer {
  const bytes = type === 'int2' ? 2 : 4;
  const array = start(type, items.length, bytes * items.length);
  let at = HEADER_BYTES;
  for (const item of items) {
    at = array.writeInt32BE(bytes, at);
    at = bytes === 2 ? array.writeInt16BE(read(item), at) : array.writeInt32BE(read(item), at);
  }
  return array;
}

/** `int8[]` of safe integers. */
export function bigintArray<T>(items: readonly T[], read: (item: T) => number): Buffer {
  const array = start('int8', items.length, 8 * items.length);
  let at = HEADER_BYTES;
  for (const item of items) {
    at = array.writeInt32BE(8, at);
    at = array.writeBigInt64BE(BigInt(read(item)), at);
  }
  return array;
}

const MICROS_1970_TO_2000 = 946_684_800_000_000n;

/** `timestamptz[]`, given as microseconds since 1970. */
export function instantArray<T>(items: readonly T[], readMicros: (item: T) => number): Buffer {
  const array = start('timestamptz', items.length, 8 * items.length);
  let at = HEADER_BYTES;
  for (const item of items) {
    at = array.writeInt32BE(8, at);
    at = array.writeBigInt64BE(BigInt(readMicros(item)) - MICROS_1970_TO_2000, at);
  }
  return array;
}

/** `bool[]`. */
export function booleanArray<T>(items: readonly T[], read: (item: T) => boolean): Buffer {
  const array = start('bool', items.length, items.length);
  let at = HEADER_BYTES;
  for (const item of items) {
    at = array.writeInt32BE(1, at);
    at = array.writeUInt8(read(item) ? 1 : 0, at);
  }
  return array;
}

/** `uuid[]` or `bytea[]` of elements of one length. */
export function bytesArray<T>(
  type: 'uuid' | 'bytea',
  elementBytes: number,
  items: readonly T[],
  read: (item: T) => Uint8Array,
): Buffer {
  const array = start(type, items.length, elementBytes * items.length);
  let at = HEADER_BYTES;
  for (const item of items) {
    at = array.writeInt32BE(elementBytes, at);
    array.set(read(item), at);
    at += elementBytes;
  }
  return array;
}

/** `bytea[]` of elements of any length. */
export function blobArray<T>(items: readonly T[], read: (item: T) => Uint8Array): Buffer {
  const array = start('bytea', items.length, 0);
  const elements = items.flatMap((item) => {
    const bytes = read(item);
    const length = Buffer.allocUnsafe(4);
    length.writeInt32BE(bytes.byteLength);
    return [length, bytes];
  });
  return Buffer.concat([array.subarray(0, HEADER_BYTES), ...elements]);
}

/** `text[]`; null and undefined are null. Text must be well-formed and free of NUL, or Postgres refuses the statement. */
export function textArray<T>(items: readonly T[], read: (item: T) => string | null | undefined): Buffer {
  let bytes = 0;
  // UTF-8 needs at most three bytes for each UTF-16 unit.
  for (const item of items) bytes += 3 * (read(item)?.length ?? 0);
  const array = start('text', items.length, bytes);
  let at = HEADER_BYTES;
  for (const item of items) {
    const text = read(item);
    if (text === null || text === undefined) at = array.writeInt32BE(-1, at);
    else {
      const written = array.write(text, at + 4);
      array.writeInt32BE(written, at);
      at += 4 + written;
    }
  }
  return array.subarray(0, at);
}
