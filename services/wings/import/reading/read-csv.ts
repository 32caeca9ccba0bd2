import { isUtf8 } from 'node:buffer';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type CsvError, type Info, parse } from 'csv-parse';
import { delimiterOf } from './csv-delimiter.ts';
import { peek } from './peek.ts';
import { withoutBom } from './read-ndjson.ts';
import { isPrototypeKey, RECORD_BYTES_MAX, type SourceRecord } from './record.ts';

/** What the parser hands over: the fields of a row as bytes, or a row that it could not read. */
type Row =
  | { readonly record: readonly Buffer[]; readonly info: Pick<Info, 'lines'> }
  | { readonly skipped: string; readonly line: number };

const REASONS: Readonly<Record<string, string>> = { CSV_QUOTE_NOT_CLOSED: 'csv_truncated' };
const COLUMNS_MAX = 256;
const QUOTE = 0x22;
const NEWLINE = 0x0a;
/** A row with more bytes is one whose quote is not closed: it would take the rest of the file into memory. */
const ROW_BYTES_MAX = 4 * RECORD_BYTES_MAX;

/** Ends in a row that is too long. The parser's own limit drops the rows behind it without a word. */
async function* bounded(stream: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let isQuoted = false;
  let length = 0;
  for await (const chunk of stream) {
    for (const byte of chunk) {
      length += 1;
      if (byte === QUOTE) isQuoted = !isQuoted;
      else if (byte === NEWLINE && !isQuoted) length = 0;
    }
    yield chunk;
    if (length > ROW_BYTES_MAX) return;
  }
}

function rowsOf(stream: AsyncIterable<Uint8Array>, delimiter: string): AsyncIterable<Row> {
  const parser = parse({
    encoding: null,
    delimiter,
    record_delimiter: ['\r\n', '\n'],
    info: true,
    relax_column_count: true,
    skip_empty_lines: true,
    skip_records_with_error: true,
    on_skip: (err: CsvError | undefined) => {
      const line = Number((err as { readonly lines?: unknown } | undefined)?.lines ?? 0);
      parser.push({ skipped: REASONS[err?.code ?? ''] ?? 'csv_invalid', line } satisfies Row);
      return undefined;
    },
  });
  // The parser ends with the error of its source.
  pipeline(Readable.from(bounded(stream), { objectMode: false }), parser).catch(() => {});
  return parser;
}

const textOf = (fields: readonly Buffer[]): string[] | null =>
  fields.every((field) => isUtf8(field)) ? fields.map((field) => field.toString('utf8')) : null;

/**
 * Rows of a CSV file (RFC 4180, or with `;`, tabs or `|`) by the names in its first row. Holds one row at a time. A column whose name is repeated,
 * or changes what an object inherits, is rejected once and left out.
 */
export async function* readCsv(stream: AsyncIterable<Uint8Array>): AsyncGenerator<SourceRecord> {
  const { head, stream: whole } = await peek(withoutBom(stream));
  const { delimiter, isSaid } = delimiterOf(head.toString('latin1'));
  let names: readonly string[] | null = null;
  let endedOn = 0;
  for await (const row of rowsOf(whole, delimiter ?? ',')) {
    const line = endedOn + 1;
    if ('skipped' in row) {
      endedOn = Math.max(row.line, line);
      yield { line, reason: row.skipped, value: '' };
      continue;
    }
    endedOn = row.info.lines;
    if (isSaid && line === 1) continue;
    const fields = textOf(row.record);
    if (row.record.some(({ length }) => length > RECORD_BYTES_MAX)) {
      yield { line, reason: 'record_too_large', value: '' };
      continue;
    }
    if (names !== null) {
      yield recordOfRow(line, names, fields);
      continue;
    }
    if (fields === null || fields.length > COLUMNS_MAX) {
      yield { line, reason: fields === null ? 'utf8_invalid' : 'csv_invalid', value: '' };
      return;
    }
    names = fields.map((name) => name.trim());
    if (names.some(isPrototypeKey)) yield { line, reason: 'prototype_key', value: '' };
    if (new Set(names).size < names.length) yield { line, reason: 'column_repeated', value: '' };
  }
}

function recordOfRow(line: number, names: readonly string[], fields: readonly string[] | null): SourceRecord {
  if (fields === null) return { line, reason: 'utf8_invalid', value: '' };
  if (fields.length !== names.length) return { line, reason: 'columns_differ', value: '' };
  const value: Record<string, unknown> = {};
  for (const [at, name] of names.entries()) {
    if (isPrototypeKey(name) || Object.hasOwn(value, name)) continue;
    value[name] = fields[at] ?? '';
  }
  return { line, value };
}

const FORMULA = /^[\t\r]|^[=@]|^[+-](?![\d\s().-]*$)/;

/** Whether a spreadsheet would run this text (CWE-1236). A telephone number is none. */
export const isFormula = (text: string): boolean => FORMULA.test(text);

/** A cell that a spreadsheet would run is shown as text; `unshieldedRow` is the way back. */
export const shielded = (text: string): string => (isFormula(text) ? `'${text}` : text);

const unshielded = (text: string): string => (text.startsWith("'") && isFormula(text.slice(1)) ? text.slice(1) : text);

/** The cells of a row as they were before they were shown as text. */
export const unshieldedRow = (row: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> =>
  Object.fromEntries(
    Object.entries(row).map(([name, cell]) => [name, typeof cell === 'string' ? unshielded(cell) : cell]),
  );

const cellOf = (text: string): string => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

/** One row of a CSV file, with its line end. */
export const csvRow = (fields: readonly string[]): string => `${fields.map(cellOf).join(',')}\r\n`;
