import { expect, test } from 'vitest';
import { csvRow, shielded } from '../reading/read-csv.ts';
import type { LegacyUser } from './adapter.ts';
import { adapters } from './adapters.ts';
import { clerkAdapter } from './clerk.ts';
import { csvAdapter, userFiles } from './generic.ts';
import { idOf, legacyUser } from './members.ts';

const NAMES = ['=1+1', '@SUM(A1)', '+cmd', '-cmd', "O'Hara", '+49 89 1234'];

async function readNames(adapter: typeof csvAdapter, text: string): Promise<unknown[]> {
  async function* stream() {
    yield Buffer.from(text);
  }
  const read = [];
  for await (const record of adapter.read(stream(), { columns: {}, parameters: {}, allowedHashes: [] }))
    read.push('user' in record ? record.user : record);
  return read;
}

test('csv writes no cell that a spreadsheet runs, and reads it as it was', async () => {
  async function* users(): AsyncGenerator<LegacyUser> {
    for (const [at, name] of NAMES.entries())
      yield legacyUser({
        legacy_id: idOf(`u${at}`, null),
        email: `u${at}@example.com`,
        name,
        metadata: { username: name },
        totp_secret: name,
      });
  }
  let text = '';
  for await (const part of userFiles.csv(users(), { columns: {} })) text += part;
  expect(text.match(/(?:^|,)"?[=@]|(?:^|,)[+-]cmd/m)).toBeNull();
  expect(text).toContain("'=1+1");
  expect(await readNames(csvAdapter, text)).toMatchObject(
    NAMES.map((name) => ({ name, totp_secret: name, metadata: { username: name } })),
  );
});

test('clerk reads a cell that was shielded from a spreadsheet as it was', async () => {
  const rows = NAMES.map((name, at) => [`u${at}`, 'Ada', shielded(name), `u${at}@example.com`]);
  const text = [['id', 'first_name', 'last_name', 'primary_email_address'], ...rows].map(csvRow).join('');
  expect(await readNames(clerkAdapter, text)).toMatchObject(
    NAMES.map((name) => ({ name: `Ada ${name}`, metadata: { last_name: name } })),
  );
});

test('every kind has one adapter, with a name that a command line and a row can hold', () => {
  const kinds = adapters.map(({ kind }) => kind);
  expect(new Set(kinds).size).toBe(kinds.length);
  for (const kind of kinds) expect(kind).toMatch(/^[a-z][a-z0-9-]{0,31}$/);
});
