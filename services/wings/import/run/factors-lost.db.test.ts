import { describe, expect, test } from 'vitest';
import { opened } from '#tools/testing/opened.ts';
import { openImportHarness, RP_ID } from './import-harness.ts';
import { readNotices } from './read-imports.ts';

const harness = opened(openImportHarness);

const HASH = '$2b$04$5FwdUnNkPe/WI8cG7CpY1OKKIxtWoKxgJLgZPLAajZ3tQI4HYlRcW';
const HASH_CONFIG = 'hash_config { algorithm: BCRYPT }';
const owes = async (email: string): Promise<unknown> =>
  (await harness.rows`SELECT "owesFactor" FROM users WHERE email = ${email}`)[0]?.owesFactor;

const credentials = (...given: readonly Readonly<Record<string, unknown>>[]): object[] =>
  given.map(({ type, ...data }) => ({
    type,
    secretData: '{"value":"secret of an app!"}',
    credentialData: JSON.stringify(data),
  }));
const passkey = { rp_id: 'elsewhere.example', credential_id: 'Y3JlZC0x', public_key: 'a2V5', counter: 1 };

/** One user with these members, and what the import says that the user loses. */
type Source = readonly [kind: string, text: string, kinds: readonly string[], map?: object];
const SOURCES: readonly Source[] = [
  [
    'firebase',
    JSON.stringify({
      users: [
        {
          localId: 'fb',
          email: 'fb@example.com',
          mfaInfo: [
            { mfaEnrollmentId: 'a', phoneInfo: '+15551230003' },
            { mfaEnrollmentId: 'b', totpInfo: {} },
          ],
        },
      ],
    }),
    ['phone', 'totp'],
    { parameters: { hash_config: HASH_CONFIG } },
  ],
  [
    'supabase',
    JSON.stringify({
      id: 'sb',
      email: 'sb@example.com',
      mfa_factors: [
        { factor_type: 'phone', status: 'verified' },
        { factor_type: 'webauthn', status: 'verified' },
        { factor_type: 'totp', status: 'unverified', secret: 'JBSWY3DPEHPK3PXP' },
      ],
    }),
    ['passkey', 'phone'],
  ],
  [
    'clerk',
    JSON.stringify({
      id: 'user_1',
      email_addresses: [{ id: 'e', email_address: 'ck@example.com' }],
      two_factor_enabled: true,
      phone_numbers: [{ phone_number: '+1555', reserved_for_second_factor: true }],
    }),
    ['phone'],
  ],
  [
    'clerk',
    JSON.stringify({
      id: 'user_2',
      email_addresses: [{ id: 'e', email_address: 'ck2@example.com' }],
      two_factor_enabled: true,
    }),
    ['unknown'],
  ],
  [
    'auth0',
    JSON.stringify({ user_id: 'auth0|1', email: 'a0@example.com', multifactor: ['guardian', 'google-authenticator'] }),
    ['push', 'totp'],
  ],
  [
    'auth0',
    JSON.stringify({ user_id: 'auth0|2', email: 'a02@example.com', mfa_factors: [{ phone: { value: '+1555' } }] }),
    ['phone'],
  ],
  [
    'cognito',
    JSON.stringify({
      Users: [
        {
          Username: 'cg',
          Attributes: [{ Name: 'email', Value: 'cg@example.com' }],
          UserMFASettingList: ['SMS_MFA', 'SOFTWARE_TOKEN_MFA', 'EMAIL_OTP'],
        },
      ],
    }),
    ['email', 'phone', 'totp'],
  ],
  ['cognito', 'cognito:username,email,cognito:mfa_enabled\ncg2,cg2@example.com,true\n', ['unknown']],
  [
    'keycloak',
    JSON.stringify({
      users: [
        {
          id: 'kc',
          email: 'kc@example.com',
          credentials: credentials({ type: 'otp', subType: 'hotp' }, { type: 'webauthn', credentialId: 'YQ==' }),
        },
      ],
    }),
    ['passkey', 'totp'],
  ],
  [
    'keycloak',
    JSON.stringify({ users: [{ id: 'kc2', email: 'kc2@example.com', requiredActions: ['CONFIGURE_TOTP'] }] }),
    ['totp'],
  ],
  [
    'better-auth',
    JSON.stringify({
      user: { id: 'ba', email: 'ba@example.com', twoFactorEnabled: true },
      account: [],
      twoFactor: [{ secret: 'sealed by another secret', backupCodes: 'x', verified: true }],
    }),
    ['totp'],
    { parameters: { secret: 'not that one' } },
  ],
  [
    'mongo',
    JSON.stringify({ _id: { $oid: '507f1f77bcf86cd799439011' }, email: 'mg@example.com', factorsLost: ['sms'] }),
    ['phone'],
  ],
  [
    'zitadel',
    JSON.stringify({
      orgs: [{ humanUsers: [{ userId: 'z', user: { email: { email: 'zi@example.com' }, otpCode: 'no base32!' } }] }],
    }),
    ['totp'],
  ],
  ['csv', 'id,email,mfa\ncs,cs@example.com,true\n', ['unknown'], { columns: { factors_lost: 'mfa' } }],
  [
    'ndjson',
    JSON.stringify({ legacy_id: 'nd', email: 'nd@example.com', factors_lost: 'phone, authenticator' }),
    ['phone', 'totp'],
  ],
  ['ndjson', JSON.stringify({ legacy_id: 'rp', email: 'rp@example.com', passkeys: [passkey] }), ['passkey']],
];

describe('a second factor that cannot be imported is counted, and owed', () => {
  test.each(SOURCES.map(([kind, text, kinds, map = {}]) => ({ kind, text, kinds, map })))(
    '$kind: $kinds',
    async (asked) => {
      const { kind, text, kinds, map } = asked;
      const email = /\w+@example\.com/.exec(text)?.[0] as string;
      const noticed = kinds.map((member) => ({ notice: 'factor_lost', member, value: email }));
      const rejected = await harness.rehearseText(kind, text, { ...map, factors_lost: 'reject' });
      expect(rejected).toMatchObject({
        counts: { new: 0, rejected: 1 },
        rejects: [{ reason: 'factors_lost', value: email }],
      });
      expect(await harness.rehearseText(kind, text, map)).toMatchObject({
        counts: { new: 1, factors_lost: 1 },
        noticed,
      });
      const run = await harness.importText(kind, text, map);
      expect(run).toMatchObject({ new_count: 1, rejects: [], factors_lost_count: 1 });
      expect(run.notices).toEqual(Object.fromEntries(kinds.map((member) => [`factor_lost.${member}`, 1])));
      expect(await readNotices(harness.ports, run.id)).toMatchObject(noticed);
      expect(await owes(email)).toBe(true);
      const again = await harness.importText(kind, `${text}\n`, map);
      expect(again).toMatchObject({ same_count: 1, factors_lost_count: 0, notices: {} });
    },
  );
});

const line = (user: object): string => JSON.stringify(user);

test.each([
  ['an app whose secret the file has', { totp_secret: 'JBSWY3DPEHPK3PXP' }],
  ['a passkey of this domain', { passkeys: [{ ...passkey, rp_id: RP_ID, credential_id: 'b3RoZXI' }] }],
])('who keeps %s owes none, whatever else is lost', async (_what, factor) => {
  const email = `${Object.keys(factor)[0]?.replace('_', '')}@kept.example`;
  const text = line({ legacy_id: email, email, factors_lost: ['phone'], ...factor });
  const { counts } = await harness.rehearseText('ndjson', text, { factors_lost: 'reject' });
  expect(counts).toMatchObject({ new: 1, factors_lost: 0 });
  expect(await harness.importText('ndjson', text)).toMatchObject({ new_count: 1, factors_lost_count: 0, notices: {} });
  expect(await owes(email)).toBe(false);
});

test('a user who is here already owes from the first import that knows of the loss, and signs in again', async () => {
  const user = { legacy_id: 'before', email: 'before@example.com', password_hash: HASH };
  await harness.importText('ndjson', line(user));
  const sessions = () => harness.rows`SELECT 1 FROM sessions WHERE "userId" = 'before'`;
  const open = () =>
    harness.rows`INSERT INTO sessions (id, "userId", token, "expiresAt")
      VALUES ('s', 'before', 't', now() + interval '1 day')`;
  await open();
  const run = await harness.importText('ndjson', line({ ...user, factors_lost: ['phone'] }));
  expect(run).toMatchObject({ changed_count: 1, factors_lost_count: 1 });
  expect(await owes(user.email)).toBe(true);
  expect(await sessions()).toEqual([]);
  // The user enrolled a factor, and removed it here: what was changed here stays.
  await harness.rows`INSERT INTO two_factors (id, "userId", secret, "backupCodes", verified)
    VALUES ('f', 'before', 'x', 'y', true)`;
  expect(await owes(user.email)).toBe(false);
  await harness.rows`DELETE FROM two_factors WHERE id = 'f'`;
  await open();
  const later = await harness.importText('ndjson', line({ ...user, factors_lost: ['phone'], name: 'Another' }));
  expect(later).toMatchObject({ changed_count: 1, factors_lost_count: 0, notices: {} });
  expect(await owes(user.email)).toBe(false);
  expect(await sessions()).toHaveLength(1);
});
