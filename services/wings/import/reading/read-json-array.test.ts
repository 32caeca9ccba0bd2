import { Readable } from 'node:stream';
import { expect, test } from 'vitest';
import { readJsonArray } from './read-json-array.ts';

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
