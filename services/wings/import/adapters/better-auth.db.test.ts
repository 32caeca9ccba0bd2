import { expect, test } from 'vitest';
import { matchingStep } from '#services/core/identity/factors/totp.ts';
import { betterAuthRows } from '#services/core/identity/sessions/better-auth-rows-harness.ts';
import { verifyPassword } from '#services/platform/hasher/schemes.ts';
import { opened } from '#tools/testing/opened.ts';
import { openImportHarness } from '../run/import-harness.ts';

/** Rows of the real library, which writes them to memory. */
const SECRET = 'the secret of the other installation';
const PASSWORD = 'correct horse battery staple';
const harness = opened(openImportHarness);
const rows = opened(() => betterAuthRows(SECRET, PASSWORD, ['ada@example.com', 'bob@example.com']));

const dump = (): string => JSON.stringify(rows.tables);
const lines = (): string =>
  (rows.tables.user ?? [])
    .map((user) => {
      const own = (table: string) => rows.tables[table]?.filter(({ userId }) => userId === user.id) ?? [];
      return `${JSON.stringify({ user, account: own('account'), twoFactor: own('twoFactor') })}\n`;
    })
    .join('');

test('tables of the real library import with passwords, authenticator apps and recovery codes that work', async () => {
  const run = await harness.importText('better-auth', dump(), { parameters: { secret: SECRET } });
  expect(run).toMatchObject({ new_count: 2, rejects: [], hash_formats: { scrypt: 2 } });
  const [ada] = await harness.rows`SELECT u.id, u.name, a.password, t.secret, t."backupCodes" FROM users u
    JOIN accounts a ON a."userId" = u.id JOIN two_factors t ON t."userId" = u.id WHERE u.email = 'ada@example.com'`;
  expect(ada?.id).toBe(rows.tables.user?.[0]?.id);
  expect(verifyPassword(PASSWORD, ada?.password as string, Buffer.alloc(32))).toBe(true);
  const secret = await harness.ports.factorSeal.open(ada?.secret as string);
  expect(secret).toBe(`base32:${rows.totp}`);
  expect(await matchingStep(secret, '000000', { nowMs: 0, lastUsedStep: 9 })).toBeNull();
  expect(JSON.parse(await harness.ports.factorSeal.open(ada?.backupCodes as string))).toEqual(rows.codes);
});

test('one line for each user is the same users', async () => {
  const run = await harness.importText('better-auth', lines(), { parameters: { secret: SECRET } });
  expect(run).toMatchObject({ new_count: 0, changed_count: 0, same_count: 2, rejects: [] });
});

test('factors that the secret does not open are lost only where the user has none here', async () => {
  const wrong = await harness.importText('better-auth', lines(), { parameters: { secret: 'another' } });
  // Ada has her factor here.
  expect(wrong).toMatchObject({ rejects: [], factors_lost_count: 0 });
});

test('social accounts, bans, roles and columns of plugins are read; records without id or address are not', async () => {
  const text = [
    {
      user: {
        id: 's1',
        email: 's1@example.com',
        emailVerified: true,
        banned: true,
        role: 'boss,user',
        username: 'sam',
      },
      account: [{ providerId: 'github', accountId: '7' }, { providerId: 'x' }],
      passkey: [
        {
          credentialID: 'Y3I',
          publicKey: 'a2V5',
          counter: 1,
          transports: 'usb',
          deviceType: 'multiDevice',
          backedUp: true,
        },
        {},
      ],
    },
    { user: { id: 's2' } },
    { user: { email: 's3@example.com' } },
    {},
  ];
  const ndjson = text.map((line) => `${JSON.stringify(line)}\n`).join('');
  const run = await harness.importText('better-auth', ndjson, {
    roles: { boss: 'auditor' },
    parameters: { rp_id: 'auth.example.com' },
  });
  expect(run.rejects.map(({ reason, value }) => `${reason} ${value}`)).toEqual([
    'email_missing s2',
    'id_missing s3@example.com',
    'id_missing ',
  ]);
  const [user] =
    await harness.rows`SELECT u.roles, u."disabledAt" IS NOT NULL AS banned, m.metadata, p."deviceType" FROM users u
      JOIN user_metadata m ON m.user_id = u.id JOIN passkeys p ON p."userId" = u.id WHERE u.id = 's1'`;
  expect(user).toEqual({
    roles: ['auditor', 'user'],
    banned: true,
    metadata: { username: 'sam' },
    deviceType: 'multiDevice',
  });
  const huge = Buffer.concat([Buffer.from('{"user":['), Buffer.alloc(68_000_000, ' ')]);
  expect((await harness.importText('better-auth', huge)).rejects[0]?.reason).toBe('record_too_large');
  expect((await harness.importText('better-auth', '{"user":[')).rejects[0]?.reason).toBe('json_invalid');
});
