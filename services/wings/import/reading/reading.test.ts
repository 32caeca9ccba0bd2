import { Readable } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { csvRow, isFormula, readCsv } from './read-csv.ts';
import { readJsonArray } from './read-json-array.ts';
import { readNdjson } from './read-ndjson.ts';
import type { SourceRecord } from './record.ts';
import { sniff } from './sniff.ts';

/** A stream of this text in chunks of every size from one byte. */
async function* chunks(text: string | Buffer, size: number): AsyncGenerator<Uint8Array> {
  const bytes = Buffer.from(text);
  for (let from = 0; from < bytes.length; from += size) yield bytes.subarray(from, from + size);
}
async function allOf<T>(found: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const each of found) all.push(each);
  return all;
}
type Reader = (stream: AsyncIterable<Uint8Array>) => AsyncIterable<SourceRecord>;

/** What a reader finds, which the size of chunks does not change. */
async function found(reader: Reader, text: string | Buffer): Promise<string[]> {
  const each: string[][] = [];
  for (const size of [1, 2, 7, 4_096, 3_000_000]) {
    if (Buffer.byteLength(text) > 100_000 && size < 4_096) continue;
    const lines: string[] = [];
    for await (const record of reader(chunks(text, size)))
      lines.push(`${record.line} ${'reason' in record ? record.reason : JSON.stringify(record.value)}`);
    each.push(lines);
  }
  for (const lines of each) expect(lines).toEqual(each[0]);
  return each[0] ?? [];
}

const BOM = '\ufeff';
const LONG = 'x'.repeat(1_048_600);

describe('lines of JSON', () => {
  test('are read with BOM, CRLF, empty lines and without a last line end', async () => {
    expect(await found(readNdjson, `${BOM}{"a":1}\r\n\n \t\n{"b":"\u00e9"}`)).toEqual([
      '1 {"a":1}',
      '4 {"b":"\u00e9"}',
    ]);
    expect([await found(readNdjson, ''), await found(readNdjson, 'x')]).toEqual([[], ['1 json_invalid']]);
  });
  test('are rejected one by one', async () => {
    const deep = `${'{"a":'.repeat(40)}1${'}'.repeat(40)}`;
    const text = `[1]\n"text"\n{"a":{"constructor":1}}\n${deep}\n{"a":"${LONG}"}\n{"ok":true}`;
    expect(await found(readNdjson, text)).toEqual([
      '1 json_invalid',
      '2 json_invalid',
      '3 prototype_key',
      '4 too_deep',
      '5 record_too_large',
      '6 {"ok":true}',
    ]);
    expect(await found(readNdjson, Buffer.from([0x7b, 0xff, 0x7d, 0x0a]))).toEqual(['1 utf8_invalid']);
  });
});

describe('an array of JSON', () => {
  test('is read element by element, whatever is in its texts', async () => {
    const text = `${BOM}[\n {"a":"]},{\\"[\\\\"},\n\n {"b":[1,{"c":[]}]} , 7,{}\n]\n`;
    expect(await found(readJsonArray, text)).toEqual([
      '2 {"a":"]},{\\"[\\\\"}',
      '4 {"b":[1,{"c":[]}]}',
      '4 json_invalid',
      '4 {}',
    ]);
    expect(await found(readJsonArray, '[]')).toEqual([]);
  });
  test('is found under its name, beside other members', async () => {
    const text = '{"kind":"users","other":{"users":[{"no":1}]},"users":[{"a":1},{"b":2}],"more":[{"no":2}]}';
    expect(await found((stream) => readJsonArray(stream, 'users'), text)).toEqual(['1 {"a":1}', '1 {"b":2}']);
  });
  test('that is too large, cut off or absent is rejected', async () => {
    expect(await found(readJsonArray, `[{"a":"${LONG}"},{"b":1}]`)).toEqual(['1 record_too_large', '1 {"b":1}']);
    expect(await found(readJsonArray, '[{"a":1},{"b":')).toEqual(['1 {"a":1}', '1 json_truncated']);
    await expect(found((stream) => readJsonArray(stream, 'users'), '{"a":1}')).rejects.toMatchObject({
      code: 'import_file_unreadable',
    });
    expect(await found((stream) => readJsonArray(stream, 'users'), '{"a":1')).toEqual(['1 json_truncated']);
    expect(await found((stream) => readJsonArray(stream, 'users'), '')).toEqual(['1 json_truncated']);
  });
});

describe('CSV', () => {
  test('is read with BOM, CRLF, quotes, line ends in fields and empty lines', async () => {
    const text = `${BOM}id, name\r\n1,"a ""b"",\r\nc"\r\n\r\n2,\u00e9\r\n`;
    expect(await found(readCsv, text)).toEqual([
      '2 {"id":"1","name":"a \\"b\\",\\r\\nc"}',
      '5 {"id":"2","name":"\u00e9"}',
    ]);
  });
  test('rows are rejected one by one', async () => {
    const text = `id,name\n1\n2,x"y\n3,a,b\n4,ok\n5,"${LONG}"\n6,ok\n7,"open\n8,swallowed\n`;
    expect((await found(readCsv, text)).map((line) => line.replace(/^\d+ /, ''))).toEqual([
      ...'columns_differ csv_invalid columns_differ {"id":"4","name":"ok"} record_too_large'.split(' '),
      ...'{"id":"6","name":"ok"} csv_truncated'.split(' '),
    ]);
    const bytes = Buffer.concat([Buffer.from('id,name\n1,'), Buffer.from([0xff]), Buffer.from('\n2,ok\n')]);
    expect(await found(readCsv, bytes)).toEqual(['2 utf8_invalid', '3 {"id":"2","name":"ok"}']);
  });
  test('a header that is repeated or changes what objects inherit is rejected once', async () => {
    expect(await found(readCsv, 'id,id,__proto__\n1,2,3\n')).toEqual([
      '1 prototype_key',
      '1 column_repeated',
      '2 {"id":"1"}',
    ]);
    expect(await found(readCsv, Buffer.from([0xff, 0x0a, 0x31, 0x0a]))).toEqual(['1 utf8_invalid']);
    expect(await found(readCsv, `${Array.from({ length: 300 }, (_, at) => `c${at}`).join(',')}\n1\n`)).toEqual([
      '1 csv_invalid',
    ]);
  });
  test('a quote that is not closed ends the file, and takes no more than four megabytes into memory', async () => {
    let read = 0;
    async function* endless(): AsyncGenerator<Uint8Array> {
      yield Buffer.from('id,name\n1,ok\n2,"');
      for (; read < 100; read += 1) yield Buffer.alloc(1_048_576, 'x');
    }
    const records = await allOf(readCsv(endless()));
    expect(records).toEqual([
      { line: 2, value: { id: '1', name: 'ok' } },
      { line: 3, reason: 'csv_truncated', value: '' },
    ]);
    expect(read).toBeLessThan(10);
  });
  test('a source that fails ends the reading with its error', async () => {
    async function* failing(): AsyncGenerator<Uint8Array> {
      yield Buffer.from('id\n1\n');
      throw new Error('the disk is gone');
    }
    await expect(allOf(readCsv(failing()))).rejects.toThrow('the disk is gone');
  });
  test('is written so that it reads as it was', async () => {
    const row = csvRow(['a,b', 'c"d', 'e\nf', 'g']);
    expect(row).toBe('"a,b","c""d","e\nf",g\r\n');
    expect(await found(readCsv, `1,2,3,4\n${row}`)).toEqual(['2 {"1":"a,b","2":"c\\"d","3":"e\\nf","4":"g"}']);
  });
});

test('a cell that a spreadsheet would run is known, a telephone number is none', () => {
  for (const text of ['=1+1', '@SUM(A1)', '+cmd|x', '-2+3+cmd', '\tx', '\r=1']) expect(isFormula(text)).toBe(true);
  for (const text of ['', 'a=b', '+44 20 7946-0000', '-5', 'Jean-Luc', "O'Neil"]) expect(isFormula(text)).toBe(false);
});

test('sniffing shows the first byte that is no white space, and loses none', async () => {
  const sniffed = await sniff(chunks(`${BOM} \n [1]`, 1));
  expect(sniffed.first).toBe('[');
  expect(Buffer.concat(await allOf(sniffed.stream)).toString()).toBe(' \n [1]');
  expect((await sniff(chunks('', 1))).first).toBe('');
});

const read = async (text: string, bytes = text.length): Promise<unknown[]> => {
  const all = Buffer.from(text);
  const chunks = Array.from({ length: Math.ceil(all.length / bytes) }, (_, at) =>
    all.subarray(at * bytes, (at + 1) * bytes),
  );
  const found: unknown[] = [];
  for await (const record of readJsonArray(Readable.from(chunks), 'users', true)) found.push(record);
  return found;
};

const TEXT = `{"users of": [{"no": 1}], "a": [{"users": [
  {"id": "1", "users": [{"inner": true}], "text": "] } \\" \\\\ {"},
  {"id": "2"}]},
 {"users": [], "b": {"users":[{"id":"3"}]}}], "text": "users"}
`;

test.each([1, 2, 3, 7, 1_000])('finds the elements at any depth, in chunks of %d bytes', async (bytes) => {
  expect(await read(TEXT, bytes)).toEqual([
    { line: 2, value: { id: '1', users: [{ inner: true }], text: '] } " \\ {' } },
    { line: 3, value: { id: '2' } },
    { line: 4, value: { id: '3' } },
  ]);
});

test('reports a file that ends early', async () => {
  expect(await read('{"users": [{"id": "1"},\n{"id":')).toEqual([
    { line: 1, value: { id: '1' } },
    { line: 2, reason: 'json_truncated', value: '' },
  ]);
  expect(await read(`{"${'u'.repeat(300)}": []`)).toEqual([{ line: 1, reason: 'json_truncated', value: '' }]);
  expect(await read('')).toEqual([{ line: 1, reason: 'json_truncated', value: '' }]);
});

test('refuses a whole file without such an array', () =>
  expect(read(`{"${'u'.repeat(300)}": []}`)).rejects.toMatchObject({ code: 'import_file_unreadable' }));
