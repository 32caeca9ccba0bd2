import { afterAll, expect, test } from 'vitest';
import { testCaller } from '#tools/testing/harness/ports.ts';
import type { UserFileFormat } from '../adapters/generic.ts';
import { importMap } from '../import-shapes.ts';
import { exportUsers } from './export-users.ts';
import { HASH, type ImportHarness, openImportHarness, RP_ID } from './import-harness.ts';

const harnesses: ImportHarness[] = [];
const opened = async (): Promise<ImportHarness> => {
  const harness = await openImportHarness();
  harnesses.push(harness);
  return harness;
};
afterAll(() => Promise.all(harnesses.map((each) => each.close())));

const ROLES = { roles: { boss: 'auditor' } };

const FIXTURES: Readonly<Record<UserFileFormat, string>> = {
  ndjson: [
    {
      legacy_id: 'old_1',
      email: 'one@example.com',
      email_verified: true,
      name: 'One, "quoted"',
      image: 'https://example.com/1.png',
      created_at: '2020-02-03T04:05:06.789Z',
      password_hash: HASH,
      roles: ['boss'],
      metadata: { plan: 'gold', nested: { list: [1, 'two', null] } },
      accounts: [
        { provider: 'github', subject: '7' },
        { provider: 'google', subject: 'g-1' },
      ],
      totp_secret: 'JBSWY3DPEHPK3PXP',
      recovery_codes: ['aaaa-bbbb'],
      passkeys: [
        {
          rp_id: RP_ID,
          credential_id: 'Y3JlZC0x',
          public_key: 'a2V5',
          counter: 7,
          transports: ['usb'],
          aaguid: null,
          name: 'Key',
        },
      ],
    },
    { legacy_id: 'auth0|2', email: 'two@example.com', disabled: true, created_at: '2021-01-01T00:00:00.000Z' },
  ]
    .map((user) => `${JSON.stringify(user)}\n`)
    .join(''),
  csv: `legacy_id,email,email_verified,name,created_at,password_hash,roles,metadata\r\nold_1,one@example.com,true,"One, ""quoted""",2020-02-03T04:05:06.789Z,${HASH},boss,"{""plan"":""gold""}"\r\nold_2,two@example.com,false,,2021-01-01T00:00:00.000Z,,,\r\n`,
};

const FORMATS = Object.keys(FIXTURES) as UserFileFormat[];

async function exported(harness: ImportHarness, format: UserFileFormat, idsOf: string = format): Promise<string> {
  let text = '';
  const write = async (part: string): Promise<void> => {
    text += part;
  };
  const asked = { format, idsOf, map: importMap.parse(ROLES), reason: 'leaving' };
  await exportUsers(harness.ports, asked, write, testCaller);
  return text;
}

const sorted = (text: string): string[] => text.split('\n').sort();

test.each(FORMATS)('%s: what was imported and exported imports as the same users, byte for byte', async (kind) => {
  const first = await opened();
  expect((await first.importText(kind, FIXTURES[kind], ROLES)).rejects).toEqual([]);
  const text = await exported(first, kind);
  const again = await first.importText(kind, text, ROLES);
  expect(again).toMatchObject({ new_count: 0, changed_count: 0, same_count: 2, rejects: [] });
  const second = await opened();
  expect(await second.importText(kind, text, ROLES)).toMatchObject({ new_count: 2, rejects: [] });
  expect(sorted(await exported(second, kind))).toEqual(sorted(text));
});

test.each(FORMATS)('%s: users that our own sign-up takes come back from our own export', async (kind) => {
  const names = ['=1+1', '@handle', '=^.^=', '- Ana -', "'quoted", '+cmd|x', null];
  const first = await opened();
  for (const [at, name] of names.entries())
    await first.rows`INSERT INTO users (id, email, name, "owesFactor")
      VALUES (${`own-${at}`}, ${`=own.${at}@example.com`}, ${name}, ${kind === 'ndjson' && at === 0})`;
  const text = await exported(first, kind);
  const second = await opened();
  const run = await second.importText(kind, text);
  expect(run).toMatchObject({ new_count: names.length, rejects: [] });
  const people = await second.rows`SELECT id, email, name, "owesFactor" FROM users ORDER BY id`;
  expect(people).toEqual(await first.rows`SELECT id, email, name, "owesFactor" FROM users ORDER BY id`);
});

test('users who came from a system leave with their ids, roles and metadata there', async () => {
  const harness = await opened();
  const there = { user_id: 'auth0|5f9d', email: 'a@example.com', nickname: 'ada', app_metadata: { roles: ['boss'] } };
  await harness.importText('auth0', JSON.stringify(there), ROLES);
  await harness.rows`INSERT INTO users (id, email) VALUES ('own', 'own@example.com')`;
  const users = (await exported(harness, 'ndjson', 'auth0')).trim().split('\n');
  expect(
    users.map((line) => JSON.parse(line)).sort((one, other) => one.email.localeCompare(other.email)),
  ).toMatchObject([
    { legacy_id: 'auth0|5f9d', email: 'a@example.com', roles: ['boss'], metadata: { nickname: 'ada' } },
    { legacy_id: 'own', email: 'own@example.com' },
  ]);
  const [event] = await harness.rows`SELECT detail FROM audit_outbox WHERE type = 'import.users_exported'`;
  expect(event?.detail).toEqual({ kind: 'auth0', reason: 'leaving' });
});

test('an export says that hashes were shown, and leaves out a hash that only this installation can verify', async () => {
  const harness = await opened();
  await harness.rows`INSERT INTO users (id, email) VALUES ('own', 'own@example.com')`;
  await harness.rows`INSERT INTO accounts (id, "accountId", "providerId", "userId", password)
    VALUES ('a', 'own', 'credential', 'own', '$sp1$x')`;
  const parts: string[] = [];
  const result = await exportUsers(
    harness.ports,
    { format: 'ndjson', idsOf: 'ndjson', map: importMap.parse({}), reason: 'leaving', onProgress: () => {} },
    async (part) => void parts.push(part),
    testCaller,
  );
  expect(result).toEqual({ users: 1, withoutHash: 1 });
  expect(JSON.parse(parts.join(''))).toMatchObject({ legacy_id: 'own', password_hash: null, email: 'own@example.com' });
  const [event] = await harness.rows`SELECT detail FROM audit_outbox WHERE type = 'import.users_exported'`;
  expect(event?.detail).toEqual({ kind: 'ndjson', reason: 'leaving' });
});
