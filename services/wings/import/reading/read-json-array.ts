import { listMissing } from '../errors.ts';
import { withoutBom } from './read-ndjson.ts';
import { RECORD_BYTES_MAX, recordOf, type SourceRecord } from './record.ts';

const [QUOTE, BACKSLASH, COMMA, NEWLINE, OPEN_ARRAY] = [0x22, 0x5c, 0x2c, 0x0a, 0x5b];
const OPEN = new Set([0x5b, 0x7b]);
const CLOSE = new Set([0x5d, 0x7d]);
const isSpace = (byte: number): boolean => byte === 0x20 || byte === 0x09 || byte === 0x0a || byte === 0x0d;
/** Longest name of a member that is compared. */
const NAME_BYTES_MAX = 256;

/**
 * Elements of a JSON array, one by one: of the array that is the file, or of the member `under` of the object that is
 * the file, as `{"users": [ … ]}`. Holds one element at a time; other members are skipped. Checks the syntax of elements
 * only. A file that ends early ends with `json_truncated`.
 * @param isNested of every array that is a member `under`, at any depth
 */
export async function* readJsonArray(
  stream: AsyncIterable<Uint8Array>,
  under: string | null = null,
  isNested = false,
): AsyncGenerator<SourceRecord> {
  let line = 1;
  let depth = 0;
  /** Depth of the array that is being read; 0 outside. */
  let base = 0;
  let isInString = false;
  let isEscaped = false;
  /** The last string outside the array: the name of the member whose value follows. */
  let text: number[] = [];
  let hasRead = false;
  let isOpened = false;
  /** The element that is being read. */
  let startedOn = 0;
  let parts: Buffer[] = [];
  let length = 0;
  let from = -1;

  const keep = (part: Buffer): void => {
    length += part.length;
    if (length > RECORD_BYTES_MAX) parts = [];
    else parts.push(Buffer.from(part));
  };
  const finish = (part: Buffer): SourceRecord => {
    keep(part);
    const record = recordOf(startedOn, length > RECORD_BYTES_MAX ? null : Buffer.concat(parts));
    parts = [];
    length = 0;
    from = -1;
    return record;
  };
  const isWanted = (): boolean =>
    (under === null || Buffer.from(text).toString('utf8') === under) &&
    (isNested || (!hasRead && depth === (under === null ? 1 : 2)));
  const followText = (byte: number): void => {
    if (isEscaped) isEscaped = false;
    else if (byte === BACKSLASH) isEscaped = true;
    else if (byte === QUOTE) {
      isInString = false;
      return;
    }
    if (base === 0 && text.length < NAME_BYTES_MAX) text.push(byte);
  };

  for await (const chunk of withoutBom(stream)) {
    for (let at = 0; at < chunk.length; at += 1) {
      const byte = chunk[at] as number;
      if (byte === NEWLINE) line += 1;
      if (isInString) {
        followText(byte);
        continue;
      }
      if (base > 0 && depth === base && (byte === COMMA || CLOSE.has(byte))) {
        if (from !== -1) yield finish(chunk.subarray(from, at));
        if (byte !== COMMA) {
          depth -= 1;
          base = 0;
          hasRead = true;
        }
        continue;
      }
      if (base > 0 && from === -1 && !isSpace(byte)) {
        from = at;
        startedOn = line;
      }
      if (byte === QUOTE) {
        isInString = true;
        if (base === 0) text = [];
      } else if (OPEN.has(byte)) {
        depth += 1;
        isOpened = true;
        if (base === 0 && byte === OPEN_ARRAY && isWanted()) base = depth;
        if (base === 0) text = [];
      } else if (CLOSE.has(byte)) depth -= 1;
    }
    if (from !== -1) {
      keep(chunk.subarray(from));
      from = 0;
    }
  }
  if (under !== null && isOpened && depth === 0 && !hasRead) throw listMissing(under);
  if (!hasRead || depth !== 0) yield { line, reason: 'json_truncated', value: '' };
}
