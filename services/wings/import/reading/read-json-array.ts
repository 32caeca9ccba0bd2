import { listMissing } from '../errors.ts';
import { withoutBom } from './read-ndjson.ts';
import { RECORD_BYTES_MAX, recordOf, type SourceRecord } from './record.ts';

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const NEWLINE = 0x0a;
const OPEN = new Set([0x5b, 0x7b]);
const CLOSE = new Set([0x5d, 0x7d]);
const isSpace = (byte: number): boolean => byte === 0x20 || byte === 0x09 || byte === 0x0a || byte === 0x0d;
/** Longest name of a member that is compared. */
const NAME_BYTES_MAX = 256;

/**
 * Elements of a JSON array, one by one: of the array that is the file, or of the member `under` of the object that is
 * the file, as `{"users": [ … ]}`. Holds one element at a time; other members are skipped. Checks the syntax of elements
 * only. A file that ends early ends with `json_truncated`.
 */
export async function* readJsonArray(
  stream: AsyncIterable<Uint8Array>,
  under: string | null = null,
): AsyncGenerator<SourceRecord> {
  const scanner = createScanner(under);
  for await (const chunk of withoutBom(stream)) yield* scanner.read(chunk);
  if (under !== null && scanner.isWithoutList()) throw listMissing(under);
  if (!scanner.isComplete()) yield { line: scanner.line(), reason: 'json_truncated', value: '' };
}

type Scanner = {
  read(chunk: Buffer): Iterable<SourceRecord>;
  isComplete(): boolean;
  /** It was read to its end, and has no such list. */
  isWithoutList(): boolean;
  line(): number;
};

function createScanner(under: string | null): Scanner {
  const base = under === null ? 1 : 2;
  let line = 1;
  let depth = 0;
  let isInString = false;
  let isEscaped = false;
  /** Whether the scanner is in the array, and whether it has left it. */
  let isInside = false;
  let isLeft = false;
  let isOpened = false;
  let name: number[] = [];
  /** The element that is being read. */
  let startedOn = 0;
  let parts: Buffer[] = [];
  let length = 0;
  let from = -1;

  const keep = (chunk: Buffer, end: number): void => {
    if (from === -1) return;
    const part = chunk.subarray(from, end);
    length += part.length;
    if (length > RECORD_BYTES_MAX) parts = [];
    else parts.push(Buffer.from(part));
  };
  const finish = (chunk: Buffer, end: number): SourceRecord => {
    keep(chunk, end);
    const record = recordOf(startedOn, length > RECORD_BYTES_MAX ? null : Buffer.concat(parts));
    parts = [];
    length = 0;
    from = -1;
    return record;
  };
  const isNamed = (): boolean => under === null || Buffer.from(name).toString('utf8') === under;

  /** Follows one byte of a string. */
  function readText(byte: number): void {
    if (isEscaped) isEscaped = false;
    else if (byte === BACKSLASH) isEscaped = true;
    else if (byte === QUOTE) {
      isInString = false;
      return;
    }
    if (!isInside && depth === 1 && name.length < NAME_BYTES_MAX) name.push(byte);
  }

  function* read(chunk: Buffer): Generator<SourceRecord> {
    for (let at = 0; at < chunk.length; at += 1) {
      const byte = chunk[at] as number;
      if (byte === NEWLINE) line += 1;
      if (isInString) {
        readText(byte);
        continue;
      }
      if (isInside && depth === base && (byte === COMMA || CLOSE.has(byte))) {
        if (from !== -1) yield finish(chunk, at);
        if (byte !== COMMA) {
          isInside = false;
          isLeft = true;
          depth -= 1;
        }
        continue;
      }
      if (isInside && from === -1 && !isSpace(byte)) {
        from = at;
        startedOn = line;
      }
      if (byte === QUOTE) {
        isInString = true;
        if (!isInside && depth === 1) name = [];
      } else if (OPEN.has(byte)) {
        depth += 1;
        isOpened = true;
        if (!isInside && !isLeft && byte === 0x5b && depth === base && isNamed()) isInside = true;
      } else if (CLOSE.has(byte)) depth -= 1;
    }
    if (isInside) {
      keep(chunk, chunk.length);
      if (from !== -1) from = 0;
    }
  }
  return {
    read,
    isComplete: () => isLeft && depth === 0,
    isWithoutList: () => isOpened && !isLeft && depth === 0,
    line: () => line,
  };
}
