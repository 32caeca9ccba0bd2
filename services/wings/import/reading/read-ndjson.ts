import { RECORD_BYTES_MAX, recordOf, type SourceRecord } from './record.ts';

const NEWLINE = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const BOM = Buffer.from([0xef, 0xbb, 0xbf]);

/** Leaves out the byte order mark with which some programs begin a UTF-8 file. */
export async function* withoutBom(stream: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  let head: Buffer | null = Buffer.alloc(0);
  for await (const chunk of stream) {
    const bytes: Buffer = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    if (head === null) {
      yield bytes;
      continue;
    }
    head = Buffer.concat([head, bytes]);
    if (head.length < BOM.length) continue;
    yield head.subarray(0, BOM.length).equals(BOM) ? head.subarray(BOM.length) : head;
    head = null;
  }
  if (head !== null && head.length > 0) yield head;
}

/** Lines without their ends (LF or CRLF); null for one that is too long, of which nothing is kept. */
async function* splitLines(
  stream: AsyncIterable<Buffer>,
): AsyncGenerator<{ readonly line: number; readonly bytes: Buffer | null }> {
  let line = 1;
  let parts: Buffer[] = [];
  let length = 0;
  const take = (part: Buffer): void => {
    length += part.length;
    if (length <= RECORD_BYTES_MAX) parts.push(part);
    else parts = [];
  };
  const taken = (): Buffer | null => {
    const [only] = parts;
    // A line within one chunk is not copied.
    const whole = parts.length === 1 && only !== undefined ? only : Buffer.concat(parts);
    const bytes = length > RECORD_BYTES_MAX ? null : whole;
    parts = [];
    length = 0;
    return bytes?.at(-1) === CARRIAGE_RETURN ? bytes.subarray(0, -1) : bytes;
  };
  for await (const chunk of stream) {
    let from = 0;
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, from)) {
      take(chunk.subarray(from, end));
      yield { line, bytes: taken() };
      line += 1;
      from = end + 1;
    }
    take(chunk.subarray(from));
  }
  yield { line, bytes: taken() };
}

/** One JSON object a line; empty lines are skipped. Holds one line at a time. */
export async function* readNdjson(stream: AsyncIterable<Uint8Array>): AsyncGenerator<SourceRecord> {
  for await (const { line, bytes } of splitLines(withoutBom(stream))) {
    if (bytes?.every((byte) => byte === 0x20 || byte === 0x09)) continue;
    yield recordOf(line, bytes);
  }
}
