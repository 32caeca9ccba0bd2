import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { csvRow, shielded } from '../reading/read-csv.ts';
import type { LegacyUser } from './adapter.ts';
import { adapters, findAdapter } from './adapters.ts';
import { clerkAdapter } from './clerk.ts';
import { csvAdapter, userFiles } from './generic.ts';
import { idOf, legacyUser } from './members.ts';

const NO_OPTIONS = { columns: {}, parameters: {}, allowedHashes: [] };

/** A file of this kind with a user for each of these ids, which are JSON literals. */
const FILES: Readonly<Record<string, (literals: readonly string[]) => string>> = {
  auth0: (ids) => ids.map((id, at) => `{"user_id":${id},"email":"u${at}@x.example"}\n`).join(''),
  'better-auth': (ids) => ids.map((id, at) => `{"user":{"id":${id},"email":"u${at}@x.example"}}\n`).join(''),
  clerk: (ids) =>
    ids.map((id, at) => `{"id":${id},"email_addresses":[{"email_address":"u${at}@x.example"}]}\n`).join(''),
  cognito: (ids) =>
    `{"Users":[${ids.map((id, at) => `{"Username":${id},"Attributes":[{"Name":"email","Value":"u${at}@x.example"}]}`)}]}`,
  firebase: (ids) => `{"users":[${ids.map((id, at) => `{"localId":${id},"email":"u${at}@x.example"}`)}]}`,
  keycloak: (ids) => `{"users":[${ids.map((id, at) => `{"id":${id},"email":"u${at}@x.example"}`)}]}`,
  mongo: (ids) => ids.map((id, at) => `{"_id":${id},"email":"u${at}@x.example"}\n`).join(''),
  ndjson: (ids) => ids.map((id, at) => `{"id":${id},"email":"u${at}@x.example"}\n`).join(''),
  supabase: (ids) => ids.map((id, at) => `{"id":${id},"email":"u${at}@x.example"}\n`).join(''),
  zitadel: (ids) =>
    `{"humanUsers":[${ids.map((id, at) => `{"userId":${id},"user":{"email":{"email":"u${at}@x.example"}}}`)}]}`,
};
const CSV = (ids: readonly string[]): string =>
  `id,email\r\n${ids.map((id, at) => `"${String(JSON.parse(id)).replaceAll('"', '""')}",u${at}@x.example\r\n`).join('')}`;

async function* once(text: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(text);
}

/** The id that each record got, or its reason. */
async function idsOf(kind: string, text: string): Promise<string[]> {
  const found: string[] = [];
  const adapter = findAdapter(kind) as NonNullable<ReturnType<typeof findAdapter>>;
  for await (const record of adapter.read(once(text), NO_OPTIONS))
    found.push('user' in record ? record.user.legacy_id.replace(/^auth0\|/, '') : record.reason);
  return found;
}

const LITERALS = [
  ...'9007199254740993 "9007199254740993" 9007199254740992 9.007199254740993e15 -0 1e400 null'.split(' '),
];

describe.each(Object.keys(FILES))('%s', (kind) => {
  const file = FILES[kind] as (typeof FILES)[string];

  test('an id keeps its digits; one that is not exact, or none, rejects its record by name', async () =>
    expect(await idsOf(kind, file(LITERALS))).toEqual([
      ...['9007199254740993', '9007199254740993', '9007199254740992'],
      ...['id_not_exact', 'id_not_exact', 'id_not_exact', 'id_missing'],
    ]));

  test('no two different ids of a source ever meet', async () => {
    const digits = fc.bigInt({ min: 0n, max: 2n ** 80n }).map(String);
    const near = fc.bigInt({ min: 2n ** 53n - 4n, max: 2n ** 53n + 64n }).map(String);
    const number = fc.oneof(
      digits,
      near,
      fc
        .double()
        .map((value) => String(value))
        .filter((text) => !/[IN]/.test(text)),
    );
    const text = fc
      .oneof(digits, near, fc.string({ unit: 'binary' }), fc.string())
      .map((value) => JSON.stringify(value));
    const exponent = near.map((value) => `${value[0]}.${value.slice(1)}e${value.length - 1}`);
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.oneof(number, text, exponent), { minLength: 1, maxLength: 12 }),
        async (literals) => {
          const found = await idsOf(kind, file(literals));
          expect(found).toHaveLength(literals.length);
          for (const [at, id] of found.entries()) {
            if (/^id_(not_exact|invalid|missing)$/.test(id)) continue;
            // The text of the id, which a number of digits alone equals.
            const literal = literals[at] as string;
            const given = literal.startsWith('"') ? String(JSON.parse(literal)) : literal;
            expect(id).toBe(kind === 'auth0' ? given.replace(/^auth0\|/, '') : given);
          }
        },
      ),
      { numRuns: 40, seed: 49 },
    );
  });
});

test('csv: an id is the text of its cell; what a spreadsheet rounded is refused', async () => {
  const ids = ['"9007199254740993"', '"9007199254740992"', '"007"', '"9.00720E+15"', '" 1"', '""'];
  expect(await idsOf('csv', CSV(ids))).toEqual([
    ...['9007199254740993', '9007199254740992', '007', 'id_not_exact', 'id_invalid', 'id_missing'],
  ]);
});

test('mongo: numbers of extended JSON keep their digits, and a double is not exact', async () => {
  const ids = [
    ...['{"$numberLong":"9007199254740993"}', '{"$numberLong":"9007199254740992"}', '{"$numberInt":"7"}'],
    ...[
      '{"$numberDouble":"9007199254740992.0"}',
      '{"$numberLong":"-1"}',
      '{"$oid":"65a1b2c3d4e5f60718293a4b"}',
      '{"$oid":5}',
    ],
  ];
  expect(await idsOf('mongo', (FILES.mongo as (typeof FILES)[string])(ids))).toEqual([
    ...`9007199254740993 9007199254740992 7 id_not_exact id_not_exact 65a1b2c3d4e5f60718293a4b id_missing`.split(/\s+/),
  ]);
});

describe('accounts at providers', () => {
  const account = (literal: string): Readonly<Record<string, string>> => ({
    auth0: `{"user_id":"a","email":"a@x.example","identities":[{"provider":"github","isSocial":true,"user_id":${literal}}]}`,
    'better-auth': `{"user":{"id":"a","email":"a@x.example"},"account":[{"providerId":"github","accountId":${literal}}]}`,
    clerk: `{"id":"a","email_addresses":[{"email_address":"a@x.example"}],"external_accounts":[{"provider":"oauth_github","provider_user_id":${literal}}]}`,
    cognito: `{"Users":[{"Username":"a","Attributes":[{"Name":"email","Value":"a@x.example"},{"Name":"identities","Value":${JSON.stringify(`[{"providerName":"github","userId":${literal}}]`)}}]}]}`,
    firebase: `{"users":[{"localId":"a","email":"a@x.example","providerUserInfo":[{"providerId":"github.com","rawId":${literal}}]}]}`,
    keycloak: `{"users":[{"id":"a","email":"a@x.example","federatedIdentities":[{"identityProvider":"github","userId":${literal}}]}]}`,
    mongo: `{"_id":"a","email":"a@x.example","accounts":[{"provider":"github","subject":${literal}}]}`,
    ndjson: `{"id":"a","email":"a@x.example","accounts":[{"provider":"github","subject":${literal}}]}`,
    csv: `id,email,accounts\r\na,a@x.example,"[{""provider"":""github"",""subject"":${literal.replaceAll('"', '""')}}]"\r\n`,
    supabase: `{"id":"a","email":"a@x.example","identities":${JSON.stringify(`[{"provider":"github","provider_id":${literal}}]`)}}`,
    zitadel: `{"humanUsers":[{"userId":"a","user":{"email":{"email":"a@x.example"},"idps":[{"configId":"github","externalUserId":${literal}}]}}]}`,
  });

  test.each(Object.keys(account('1')))(
    '%s: the subject keeps its digits, and one that is not exact rejects its record',
    async (kind) => {
      const subjects: unknown[] = [];
      for (const literal of ['583231', '9007199254740993', '"9007199254740993"', '1e3', '-0']) {
        const adapter = findAdapter(kind) as NonNullable<ReturnType<typeof findAdapter>>;
        for await (const record of adapter.read(once(account(literal)[kind] as string), NO_OPTIONS))
          subjects.push('user' in record ? record.user.accounts[0]?.subject : record.reason);
      }
      expect(subjects).toEqual(['583231', '9007199254740993', '9007199254740993', 'id_not_exact', 'id_not_exact']);
    },
  );

  test('every kind is tried', () => {
    const kinds = adapters.map(({ kind }) => kind).sort();
    expect([Object.keys(account('1')).sort(), [...Object.keys(FILES), 'csv'].sort()]).toEqual([kinds, kinds]);
  });
});

test('better-auth: rows of tables join users by the same rule', async () => {
  const tables = `{"user":[{"id":1,"email":"one@x.example"},{"id":"2","email":"two@x.example"}],
    "account":[{"userId":1.0,"providerId":"github","accountId":"other"},{"userId":2,"providerId":"github","accountId":"own"}]}`;
  const adapter = findAdapter('better-auth') as NonNullable<ReturnType<typeof findAdapter>>;
  const found: unknown[] = [];
  for await (const record of adapter.read(once(tables), NO_OPTIONS))
    found.push('user' in record && record.user.accounts.map(({ subject }) => subject));
  expect(found).toEqual([[], ['own']]);
});

test('text of a source is read by the exact reader alone', () => {
  const root = join(import.meta.dirname, '..');
  const files = globSync('{adapters,reading}/*.ts', { cwd: root }).filter((file) => !/\.test\.ts$|harness/.test(file));
  expect(files.length).toBeGreaterThan(15);
  const careless = files.filter((file) => readFileSync(join(root, file), 'utf8').includes('JSON.parse('));
  expect(careless).toEqual([]);
});

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
