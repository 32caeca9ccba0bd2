import { isUtf8 } from 'node:buffer';
import { StringDecoder } from 'node:string_decoder';
import { importFileUnreadable } from '../errors.ts';
import { delimiterOf } from './csv-delimiter.ts';
import { HEAD_BYTES, peek } from './peek.ts';
import { withoutBom } from './read-ndjson.ts';

export type FileForm = 'csv' | 'json';

const BYTE_NEVER_IN_UTF8 = Buffer.from([0xff]);

/** UTF-16 by its byte order mark, or by the zero that each of its ASCII characters has. */
function utf16Of([first = 1, second = 1]: Buffer): 'little' | 'big' | null {
  if ((first === 0xff && second === 0xfe) || (first !== 0 && second === 0)) return 'little';
  return (first === 0xfe && second === 0xff) || (first === 0 && second !== 0) ? 'big' : null;
}

/** Half a character becomes a byte that no UTF-8 has, so its record is rejected and no id becomes another's. */
const utf8Of = (text: string): Buffer =>
  Buffer.concat(
    text.split(/\p{Cs}/u).flatMap((part, at) => [...(at > 0 ? [BYTE_NEVER_IN_UTF8] : []), Buffer.from(part)]),
  );

async function* fromUtf16(stream: AsyncIterable<Uint8Array>, order: 'little' | 'big'): AsyncGenerator<Buffer> {
  const decoder = new StringDecoder('utf16le');
  let odd = Buffer.alloc(0);
  for await (const chunk of stream) {
    const bytes = Buffer.concat([odd, chunk]);
    const even = bytes.subarray(0, bytes.length - (bytes.length % 2));
    odd = bytes.subarray(even.length);
    if (order === 'big') even.swap16();
    yield utf8Of(decoder.write(even));
  }
  yield Buffer.concat([utf8Of(decoder.end()), ...(odd.length > 0 ? [BYTE_NEVER_IN_UTF8] : [])]);
}

const SEVERAL_BYTES = /[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}/;

/** Whether there are characters beyond ASCII, and none of them is UTF-8: a code page, as Windows-1252. */
function isCodePage(head: Buffer): boolean {
  const lines = head.length < HEAD_BYTES ? head : head.subarray(0, head.lastIndexOf(0x0a) + 1);
  return !isUtf8(lines) && !SEVERAL_BYTES.test(lines.toString('latin1'));
}

/** Why nothing in this file can be read, and what to do about it; null if its records can be looked at. */
function faultOf(head: Buffer, forms: readonly FileForm[], isUtf16: boolean): string | null {
  const text = head.toString('latin1');
  if (text.startsWith('PK\x03\x04'))
    return 'It is a workbook or another ZIP archive. Save the sheet as "CSV UTF-8", or unpack the archive.';
  if (text.startsWith('\x1f\x8b')) return 'It is compressed with gzip. Unpack it first.';
  const isJson = /^\s*[[{]/.test(text);
  if (isJson && !forms.includes('json'))
    return 'It seems to be JSON, and this kind reads CSV. Import it as ndjson, or as the system that wrote it.';
  if (isJson) return null;
  const isTable = delimiterOf(text).delimiter !== null;
  if (!forms.includes('csv'))
    return isTable
      ? 'It seems to be CSV, and this kind reads JSON. Export it as JSON, or import it as csv with a mapping of its columns.'
      : null;
  if (!isUtf16 && isCodePage(head))
    return 'Its letters beyond ASCII are not UTF-8; they seem to be those of an old code page, as Windows-1252. Save it as "CSV UTF-8".';
  return text.includes('\r') && !text.includes('\n')
    ? 'Its lines end with a carriage return alone. Save it with the line ends of Windows or Unix.'
    : null;
}

/**
 * The only way to what a file says: as UTF-8, from UTF-16 too.
 * @throws importFileUnreadable (400) if it is no file of these forms, before the first record
 */
export async function* openFile(
  source: AsyncIterable<Uint8Array>,
  forms: readonly FileForm[],
): AsyncGenerator<Uint8Array> {
  const { head, stream } = await peek(source);
  const order = utf16Of(head);
  const { head: decoded, stream: whole } = await peek(withoutBom(order === null ? stream : fromUtf16(stream, order)));
  const fault = faultOf(decoded, forms, order !== null);
  if (fault !== null) throw importFileUnreadable({ detail: fault });
  yield* whole;
}

/** The same of the beginning of a file that is kept for later. */
export async function assertReadable(bytes: Uint8Array, forms: readonly FileForm[]): Promise<void> {
  async function* beginning(): AsyncGenerator<Uint8Array> {
    yield bytes.subarray(0, HEAD_BYTES);
  }
  await openFile(beginning(), forms).next();
}
