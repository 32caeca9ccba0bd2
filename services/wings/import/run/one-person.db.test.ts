import { describe, expect, test } from 'vitest';
import { opened } from '#tools/testing/opened.ts';
import { HASH, ndjson, OTHER_HASH, openImportHarness } from './import-harness.ts';

const harness = opened(openImportHarness);

let made = 0;
const email = (): string => {
  made += 1;
  return `person${made}@one.example`;
};

/** A person as a source has them: a row of an enterprise account, one of a social account, one with a password. */
function rowsOf(address: string, members: object = {}): object[] {
  const row = (way: string, more: object) => ({
    legacy_id: `${way}-${address.replace('@one.example', '')}`,
    email: address,
    email_verified: true,
    ...more,
    ...members,
  });
  return [
    row('sso', { accounts: [{ provider: 'okta', subject: address }], name: 'Ada' }),
    row('social', { accounts: [{ provider: 'google', subject: address }], roles: ['boss'] }),
    row('password', { password_hash: HASH, metadata: { plan: 'gold' }, totp_secret: 'JBSWY3DPEHPK3PXP' }),
  ];
}
const MAP = { roles: { boss: 'auditor' } };

const ORDERS = [
  [0, 1, 2],
  [0, 2, 1],
  [1, 0, 2],
  [1, 2, 0],
  [2, 0, 1],
  [2, 1, 0],
] as const;

/** What is here of an address, without the ids. */
async function personWith(address: string) {
  const users = await harness.rows`SELECT u.id, u.name, u.roles, u."twoFactorEnabled", u."disabledAt", m.metadata,
      (SELECT array_agg(a."providerId" ORDER BY a."providerId") FROM accounts a WHERE a."userId" = u.id) AS accounts,
      (SELECT a.password FROM accounts a WHERE a."userId" = u.id AND a."providerId" = 'credential') AS password,
      (SELECT array_agg(split_part(l.legacy_id, '-', 1) ORDER BY l.legacy_id) FROM legacy_users l
        WHERE l.user_id = u.id) AS rows
    FROM users u LEFT JOIN user_metadata m ON m.user_id = u.id WHERE u.email = ${address}`;
  return users.map(({ id: _, ...user }) => user);
}
const WHOLE = {
  ...{ name: 'Ada', roles: ['auditor', 'user'], twoFactorEnabled: true, disabledAt: null, metadata: { plan: 'gold' } },
  ...{ accounts: ['credential', 'google', 'okta'], password: HASH, rows: ['password', 'social', 'sso'] },
};

const rehearsed = async (rows: readonly object[]) => (await harness.rehearseText('ndjson', ndjson(rows), MAP)).counts;

describe('rows of one source with one address that the source has verified in each', () => {
  test.each(ORDERS)(
    'are one user with every account, role, factor and the hash, in the order %i %i %i',
    async (...order) => {
      const addresses = [email(), email(), email()] as const;
      const all = addresses.map((address) => order.map((at) => rowsOf(address)[at] as object));
      // In one batch, in batches of their own, and in files of their own.
      expect(await rehearsed(all[0] as object[])).toMatchObject({ new: 1, linked: 2, rejected: 0 });
      const one = await harness.importText('ndjson', ndjson(all[0] as object[]), MAP);
      expect(one).toMatchObject({ new_count: 1, changed_count: 2, linked_count: 2, rejected_count: 0 });
      await harness.importText('ndjson', ndjson(all[1] as object[]), MAP, { batchRecords: 1 });
      for (const row of all[2] as object[]) await harness.importText('ndjson', ndjson([row]), MAP);
      for (const address of addresses) expect(await personWith(address)).toEqual([WHOLE]);
      expect(await harness.importText('ndjson', ndjson(all.flat()), MAP)).toMatchObject({
        same_count: 9,
        rejected_count: 0,
      });
      for (const address of addresses) expect(await personWith(address)).toEqual([WHOLE]);
    },
  );

  test('become one user also if another import of the source runs at the same time', async () => {
    const address = email();
    await Promise.all(rowsOf(address).map((row) => harness.importText('ndjson', ndjson([row]), MAP)));
    expect(await personWith(address)).toEqual([WHOLE]);
  });

  test('go on to be one: a change of a joined row changes what it brought, and the export names the user once', async () => {
    const address = email();
    const [sso, social, password] = rowsOf(address) as [object, object, object];
    const [first] = [await harness.importText('ndjson', ndjson([sso, social, password]), MAP)];
    expect(first.rejected_count).toBe(0);
    await harness.importText('ndjson', ndjson([{ ...password, password_hash: OTHER_HASH, name: 'Not Ada' }]), MAP);
    expect(await personWith(address)).toEqual([{ ...WHOLE, password: OTHER_HASH }]);
    const moved = await harness.importText('ndjson', ndjson([{ ...social, email: `moved-${address}` }]), MAP);
    expect(moved.rejects.map(({ reason }) => reason)).toEqual(['email_conflict']);
    const [banned] = [await harness.importText('ndjson', ndjson([{ ...social, disabled: true }]), MAP)];
    expect(banned).toMatchObject({ changed_count: 1 });
    expect((await personWith(address))[0]?.disabledAt).not.toBeNull();
  });

  test('are joined to an account of ours that has verified the address, which keeps what it has', async () => {
    const address = email();
    await harness.rows`INSERT INTO users (id, email, "emailVerified", name)
      VALUES (${address}, ${address}, now(), 'Own')`;
    const run = await harness.importText('ndjson', ndjson(rowsOf(address)), MAP);
    expect(run).toMatchObject({ new_count: 0, linked_count: 3, rejected_count: 0 });
    expect(await personWith(address)).toEqual([
      expect.objectContaining({ name: 'Own', accounts: null, roles: ['user'], rows: ['password', 'social', 'sso'] }),
    ]);
  });

  test('are one user too where an earlier release imported the first and rejected the others', async () => {
    const address = email();
    const [sso, , password] = rowsOf(address) as [object, object, object];
    await harness.importText('ndjson', ndjson([sso]), MAP);
    await harness.rows`UPDATE legacy_users SET email_verified = false WHERE legacy_id LIKE 'sso-%'`;
    expect(await rehearsed([sso, password])).toMatchObject({ same: 1, linked: 1, rejected: 0 });
    const run = await harness.importText('ndjson', ndjson([sso, password]), MAP);
    expect(run).toMatchObject({ same_count: 1, linked_count: 1, rejected_count: 0 });
  });
});

describe('rows with one address are email_duplicate, and the first stays as it is', () => {
  const cases: readonly (readonly [string, object, object])[] = [
    ['if the first is unverified there', { email_verified: false }, {}],
    ['if the second is unverified there', {}, { email_verified: false }],
    ['if both are', { email_verified: false }, { email_verified: false }],
    ['if each has a password', { password_hash: OTHER_HASH }, { password_hash: HASH }],
    ['if each has a second factor', { totp_secret: 'JBSWY3DPEHPK3PXP' }, { totp_secret: 'JBSWY3DPEHPK3PXQ' }],
    ['if the first alone is banned', { disabled: true }, {}],
    ['if the second alone is banned', {}, { disabled: true }],
  ];
  test.each(cases)('%s', async (_title, one, other) => {
    for (const files of [1, 2]) {
      const address = email();
      const [first, , second] = rowsOf(address) as [object, object, object];
      const rows = [
        { ...first, ...one },
        { ...second, password_hash: undefined, totp_secret: undefined, ...other },
      ];
      expect(await rehearsed(rows)).toMatchObject({ new: 1, rejected: 1 });
      const texts = files === 1 ? [ndjson(rows)] : rows.map((row) => ndjson([row]));
      const rejects = [];
      for (const text of texts) rejects.push(...(await harness.importText('ndjson', text, MAP)).rejects);
      expect(rejects).toEqual([{ record: 3 - files, line: 3 - files, reason: 'email_duplicate', value: address }]);
      expect((await personWith(address))[0]?.rows).toEqual(['sso']);
    }
  });

  test('once twenty rows are one user, in one batch, in several, and in a file of its own', async () => {
    const rows = (address: string) =>
      Array.from({ length: 22 }, (_, at) => ({ legacy_id: `${at}-${address}`, email: address, email_verified: true }));
    const addresses = [email(), email(), email()] as const;
    const found = await rehearsed(rows(addresses[0]));
    expect(found).toMatchObject({ new: 1, linked: 19, rejected: 2 });
    for (const [address, options] of [
      [addresses[0], {}],
      [addresses[1], { batchRecords: 7 }],
    ] as const) {
      const run = await harness.importText('ndjson', ndjson(rows(address)), MAP, options);
      expect(run).toMatchObject({ new_count: 1, linked_count: 19, rejected_count: 2 });
    }
    for (const row of rows(addresses[2])) await harness.importText('ndjson', ndjson([row]), MAP);
    for (const address of addresses) expect((await personWith(address))[0]?.rows).toHaveLength(20);
  });

  test('a verification here alone does not make them one', async () => {
    const address = email();
    const [first, , second] = rowsOf(address) as [object, object, object];
    await harness.importText('ndjson', ndjson([{ ...first, email_verified: false }]), MAP);
    await harness.rows`UPDATE users SET "emailVerified" = now() WHERE email = ${address}`;
    const run = await harness.importText('ndjson', ndjson([second]), MAP);
    expect(run.rejects.map(({ reason }) => reason)).toEqual(['email_duplicate']);
  });

  test('a password that was chosen here stays, and the rest of the other row joins', async () => {
    const address = email();
    const [sso, social, password] = rowsOf(address) as [object, object, object];
    await harness.importText('ndjson', ndjson([sso, password]), MAP);
    await harness.rows`UPDATE accounts SET password = 'chosen here' WHERE "providerId" = 'credential'
      AND "userId" = (SELECT id FROM users WHERE email = ${address})`;
    await harness.importText('ndjson', ndjson([social]), MAP);
    expect(await personWith(address)).toEqual([{ ...WHOLE, password: 'chosen here' }]);
  });
});
