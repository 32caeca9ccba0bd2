import { hashSync } from '@node-rs/bcrypt';
import { afterAll, expect, test } from 'vitest';
import { testCaller } from '#tools/testing/harness/ports.ts';
import { adapters, findAdapter } from '../adapters/adapters.ts';
import { importMap } from '../import-shapes.ts';
import { exportUsers } from './export-users.ts';
import { type ImportHarness, openImportHarness, RP_ID } from './import-harness.ts';

const harnesses: ImportHarness[] = [];
const opened = async (): Promise<ImportHarness> => {
  const harness = await openImportHarness();
  harnesses.push(harness);
  return harness;
};
afterAll(() => Promise.all(harnesses.map((each) => each.close())));

const HASH = hashSync('correct horse battery staple', { cost: 4, version: '2b' });
const ROLES = { roles: { boss: 'auditor' } };

const FIXTURES: Readonly<Record<string, string>> = {
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
  clerk: `id,first_name,last_name,username,primary_email_address,primary_phone_number,verified_email_addresses,unverified_email_addresses,verified_phone_numbers,unverified_phone_numbers,totp_secret,password_digest,password_hasher\r\nuser_1,Ada,Lovelace,ada,ada@example.com,+441234,ada@example.com|ada@second.example,ada@third.example,+441234,,JBSWY3DPEHPK3PXP,${HASH},bcrypt\r\nuser_2,,,,bob@example.com,,,bob@example.com,,,,,\r\n`,
};

async function exported(harness: ImportHarness, kind: string, map: object = ROLES): Promise<string> {
  const adapter = findAdapter(kind) as NonNullable<ReturnType<typeof findAdapter>>;
  let text = '';
  const write = async (part: string): Promise<void> => {
    text += part;
  };
  await exportUsers(harness.ports, { adapter, map: importMap.parse(map), reason: 'leaving' }, write, testCaller);
  return text;
}

const sorted = (text: string): string[] => text.split('\n').sort();

test.each(Object.keys(FIXTURES))(
  '%s: what was imported and exported imports as the same users, byte for byte',
  async (kind) => {
    const first = await opened();
    expect((await first.importText(kind, FIXTURES[kind] as string, ROLES)).rejects).toEqual([]);
    const text = await exported(first, kind);
    const again = await first.importText(kind, text, ROLES);
    expect(again).toMatchObject({ new_count: 0, changed_count: 0, same_count: 2, rejects: [] });
    const second = await opened();
    expect(await second.importText(kind, text, ROLES)).toMatchObject({ new_count: 2, rejects: [] });
    expect(sorted(await exported(second, kind))).toEqual(sorted(text));
  },
);

test.each(['ndjson', 'clerk', 'firebase', 'csv'])(
  '%s: users that our own sign-up takes come back from our own export',
  async (kind) => {
    const map = { parameters: { hash_config: 'hash_config { algorithm: BCRYPT }' } };
    const names = ['=1+1', '@handle', '=^.^=', '- Ana -', "'quoted", '+cmd|x', null];
    const first = await opened();
    for (const [at, name] of names.entries())
      await first.rows(`INSERT INTO users (id, email, name, "owesFactor") VALUES ($1, $2, $3, $4)`, [
        `own-${at}`,
        `=own.${at}@example.com`,
        name,
        kind === 'ndjson' && at === 0,
      ]);
    const text = await exported(first, kind, map);
    const second = await opened();
    const run = await second.importText(kind, text, map);
    expect(run).toMatchObject({ new_count: names.length, rejects: [] });
    const people = await second.rows(`SELECT id, email, name, "owesFactor" FROM users ORDER BY id`);
    expect(people).toEqual(await first.rows(`SELECT id, email, name, "owesFactor" FROM users ORDER BY id`));
  },
);

test('an export says that hashes were shown, and leaves out a hash that only this installation can verify', async () => {
  const harness = await opened();
  await harness.rows(`INSERT INTO users (id, email) VALUES ('own', 'own@example.com')`);
  await harness.rows(
    `INSERT INTO accounts (id, "accountId", "providerId", "userId", password) VALUES ('a', 'own', 'credential', 'own', '$sp1$x')`,
  );
  const adapter = adapters.find(({ kind }) => kind === 'ndjson') as (typeof adapters)[number];
  const parts: string[] = [];
  const result = await exportUsers(
    harness.ports,
    { adapter, map: importMap.parse({}), reason: 'leaving', onProgress: () => {} },
    async (part) => void parts.push(part),
    testCaller,
  );
  expect(result).toEqual({ users: 1, withoutHash: 1 });
  expect(JSON.parse(parts.join(''))).toMatchObject({ legacy_id: 'own', password_hash: null, email: 'own@example.com' });
  const [event] = await harness.rows(`SELECT detail FROM audit_outbox WHERE type = 'import.users_exported'`);
  expect(event?.detail).toEqual({ kind: 'ndjson', reason: 'leaving' });
});
