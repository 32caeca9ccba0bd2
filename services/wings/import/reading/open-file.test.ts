import { describe, expect, test } from 'vitest';
import { findAdapter } from '../adapters/adapters.ts';
import { importMap } from '../import-shapes.ts';
import { readBatches } from '../run/read-batches.ts';
import { assertReadable } from './open-file.ts';

async function* chunks(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let from = 0; from < bytes.length; from += size) yield bytes.subarray(from, from + size);
}

/** What an import of these bytes reads: users as `id address name`, or the reason of a record; or why it reads nothing. */
async function readAs(kind: string, file: string | Uint8Array, map: object = {}): Promise<string[] | string> {
  const bytes = typeof file === 'string' ? Buffer.from(file) : file;
  const adapter = findAdapter(kind);
  if (adapter === undefined) throw new Error(kind);
  const answers: (string[] | string)[] = [];
  for (const size of bytes.length > 10_000 ? [65_536] : [1, 3, 65_536]) {
    const source = { adapter, map: importMap.parse(map), stream: chunks(bytes, size), after: 0, relyingPartyId: 'x' };
    const found: string[] = [];
    try {
      for await (const { records } of readBatches(source, Date.now()).batches)
        for (const record of records)
          found.push(
            'user' in record
              ? `${record.user.legacy_id} ${record.user.email} ${record.user.name}`
              : `line ${record.line} ${record.reason}`,
          );
      answers.push(found);
    } catch (err) {
      const { code, options } = err as { code: string; options: { detail?: string } };
      expect([code, found]).toEqual(['import_file_unreadable', []]);
      answers.push(String(options.detail));
    }
  }
  for (const answer of answers) expect(answer).toEqual(answers[0]);
  return answers[0] as string[] | string;
}

const CSV = 'id,email,name\n1,one@example.com,Zoë\n2,two@example.com,"Ana\nLuisa"\n';
const USERS = ['1 one@example.com Zoë', '2 two@example.com Ana Luisa'];
const utf16 = (text: string, order: 'le' | 'be'): Buffer =>
  order === 'le' ? Buffer.from(text, 'utf16le') : Buffer.from(text, 'utf16le').swap16();

describe('a file that spreadsheets write is read as what it is', () => {
  test.each([
    ['UTF-16 of Windows, with its mark', utf16(`\ufeff${CSV}`, 'le')],
    ['UTF-16, big end first', utf16(`\ufeff${CSV}`, 'be')],
    ['UTF-16 without a mark', utf16(CSV, 'le')],
    ['UTF-16, big end first, without a mark', utf16(CSV, 'be')],
    ['semicolons', CSV.replaceAll(',', ';')],
    ['tabs', CSV.replaceAll(',', '\t')],
    ['bars', CSV.replaceAll(',', '|')],
    ['semicolons that the first line says', `sep=;\r\n${CSV.replaceAll(',', ';')}`],
    ['commas that the first line says', `sep=,\n${CSV}`],
    ['tabs in UTF-16, as "Unicode Text"', utf16(`\ufeff${CSV.replaceAll(',', '\t')}`, 'le')],
    ['line ends within a quoted name of a column', CSV.replace('name\n', '"name\n"\n')],
  ])('%s', async (_name, file) => expect(await readAs('csv', file)).toEqual(USERS));

  test('JSON in UTF-16, with characters beyond the first plane', async () => {
    const text = '[{"id":"1","email":"one@example.com","name":"Zoë 😀"}]';
    expect(await readAs('ndjson', utf16(`\ufeff${text}`, 'le'))).toEqual(['1 one@example.com Zoë 😀']);
  });

  test('half a character of UTF-16 rejects its record, and no id becomes another’s', async () => {
    const text = 'id,email\na\ud83d,one@example.com\na\ud83e,two@example.com\n3,three@example.com\n';
    expect(await readAs('csv', utf16(`\ufeff${text}`, 'le'))).toEqual([
      'line 2 utf8_invalid',
      'line 3 utf8_invalid',
      '3 three@example.com null',
    ]);
    const cut = Buffer.concat([utf16('id,email\n3,three@example.com', 'le'), Buffer.from([0x41])]);
    expect(await readAs('csv', cut)).toEqual(['line 2 utf8_invalid']);
  });

  test('a comma among semicolons is the separator only if a name has it', async () =>
    expect(await readAs('csv', 'id;email;"name, in full"\n1;one@example.com;x\n')).toEqual(['1 one@example.com null']));

  test('one damaged row among others is rejected alone', async () => {
    const bytes = Buffer.concat([Buffer.from(CSV), Buffer.from([0x33, 0xff, 0x0a])]);
    expect(await readAs('csv', bytes)).toEqual([...USERS, 'line 5 utf8_invalid']);
  });

  test('columns of Auth0’s extension, as lines of JSON and as CSV', async () => {
    const user = { Id: 'auth0|1', Email: 'one@example.com', 'Email Verified': true, Name: 'Zoë' };
    const expected = ['auth0|1 one@example.com Zoë'];
    expect(await readAs('auth0', `${JSON.stringify(user)}\n`)).toEqual(expected);
    expect(await readAs('auth0', JSON.stringify([user]))).toEqual(expected);
    const csv = `${Object.keys(user).map((name) => `"${name}"`)}\n${Object.values(user).map((cell) => `"${cell}"`)}\n`;
    expect(await readAs('auth0', csv)).toEqual(expected);
  });
});

describe('a file that is another than its import reads is refused once, and says what it seems to be', () => {
  const codePage = Buffer.from(CSV, 'latin1');
  test.each([
    ['csv', 'Windows-1252', codePage, 'Windows-1252'],
    ['csv', 'Windows-1252 of many rows', Buffer.concat(Array.from({ length: 2_000 }, () => codePage)), 'Windows-1252'],
    ['csv', 'a workbook', 'PK\x03\x04rest', 'workbook'],
    ['ndjson', 'a compressed file', Buffer.from([0x1f, 0x8b, 8]), 'gzip'],
    ['csv', 'JSON', ' [{"id":"1"}]', 'JSON'],
    ['csv', 'line ends of old Macs', CSV.replaceAll('\n', '\r'), 'carriage return'],
    ['firebase', 'CSV of firebase auth:export', '1,one@example.com,true,,,\n', 'seems to be CSV'],
    ['ndjson', 'CSV', CSV, 'seems to be CSV'],
    ['keycloak', 'a realm whose users are in other files', '{"realm":"x","roles":{"users":1}}', 'no list `users`'],
    ['zitadel', 'no users', '{"orgs":[]}', 'no list `humanUsers`'],
    [
      'csv',
      'other names of columns',
      'Nr,Mail\n1,one@example.com\n',
      'legacy_id, or the email. The columns are Nr, Mail',
    ],
    ['csv', 'no column of addresses', 'id,Mail\n1,one@example.com\n', 'the email. The columns are id, Mail'],
  ])('%s: %s', async (kind, _name, file, said) => expect(await readAs(kind, file)).toContain(said));

  test('a mapping that names the columns is what the table needs', async () => {
    const map = { columns: { legacy_id: 'Nr', email: 'Mail' } };
    expect(await readAs('csv', 'Nr;Mail\n1;one@example.com\n', map)).toEqual(['1 one@example.com null']);
  });

  test('a table without rows, and an empty file, have no users', async () => {
    expect([await readAs('csv', 'Nr,Mail\n'), await readAs('ndjson', '')]).toEqual([[], []]);
  });

  test('the beginning of an uploaded file is judged alike', async () => {
    await expect(assertReadable(codePage, ['csv'])).rejects.toMatchObject({ code: 'import_file_unreadable' });
    await expect(assertReadable(Buffer.from(CSV), ['csv'])).resolves.toBeUndefined();
  });
});
