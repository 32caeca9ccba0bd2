import { createReadStream, readFileSync } from 'node:fs';
import { Readable } from 'node:stream';
import { describe, expect, test } from 'vitest';
import type { LegacyRecord, LegacySystemAdapter, LegacyUser, ReadOptions } from './adapter.ts';
import { auth0Adapter } from './auth0.ts';
import { cognitoAdapter } from './cognito.ts';
import { firebaseAdapter } from './firebase.ts';
import { keycloakAdapter } from './keycloak.ts';
import { supabaseAdapter } from './supabase.ts';
import { zitadelAdapter } from './zitadel.ts';

const fixture = (name: string): URL => new URL(`./fixtures/${name}`, import.meta.url);
const hashConfig = readFileSync(fixture('firebase-hash-config.txt'), 'utf8');
const optionsOf = (parameters: Readonly<Record<string, string>> = {}): ReadOptions => ({
  columns: {},
  parameters,
  allowedHashes: [],
});

async function allOf<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}
const readAll = async (adapter: LegacySystemAdapter, source: AsyncIterable<Uint8Array>, options = optionsOf()) =>
  allOf(adapter.read(source, options));
const bytesOf = (text: string): AsyncIterable<Uint8Array> => Readable.from([Buffer.from(text)]);
const readText = (adapter: LegacySystemAdapter, text: string, options = optionsOf()) =>
  readAll(adapter, bytesOf(text), options);
const usersOf = (records: readonly LegacyRecord[]): LegacyUser[] =>
  records.flatMap((record) => ('user' in record ? record.user : []));
const rejectsOf = (records: readonly LegacyRecord[]): string[] =>
  records.flatMap((record) => ('reason' in record ? record.reason : []));
type Expected = Readonly<Record<string, unknown>>;
const CREATED = new Date('2023-04-05T06:07:08.120Z');
const GOOGLE = { provider: 'google', subject: '110248495921238986420' };
const SUPABASE: readonly Expected[] = [
  {
    legacy_id: '00000000-0000-4000-8000-000000000001',
    email: 'ada@example.com',
    name: 'Ada Example',
    image: 'https://avatars.githubusercontent.com/u/1',
    email_verified: true,
    created_at: CREATED,
    password_format: 'bcrypt',
    roles: ['editor'],
    accounts: [{ provider: 'github', subject: '583231' }],
    totp_secret: 'JBSWY3DPEHPK3PXPJBSWY3DP',
  },
  { email: 'grace@example.com', disabled: true },
  { email: 'linus@example.com', email_verified: false },
];

const SYSTEMS: readonly {
  readonly adapter: LegacySystemAdapter;
  readonly file: string;
  readonly parameters?: Readonly<Record<string, string>>;
  readonly users: readonly Expected[];
  readonly rejects: readonly string[];
}[] = [
  {
    adapter: auth0Adapter,
    file: 'auth0.ndjson',
    users: [
      {
        email: 'ada@example.com',
        email_verified: true,
        name: 'Ada Example',
        password_format: 'bcrypt',
        created_at: new Date('2021-03-05T16:34:49.502Z'),
        roles: ['editor'],
        accounts: [GOOGLE],
        totp_secret: 'JBSWY3DPEHPK3PXPJBSWY3DP',
        metadata: { app_metadata: { plan: 'pro' }, user_metadata: { colour: 'green' }, nickname: 'ada' },
      },
      { email: 'grace@example.com', disabled: true, password_format: 'bcrypt' },
      {
        legacy_id: 'windowslive|4b9d1c2e',
        email: 'otto@example.com',
        password_hash: null,
        accounts: [{ provider: 'microsoft', subject: '4b9d1c2e' }],
      },
      // Only the export of hashes has this user.
      { email: 'linus@example.com', email_verified: false, name: null, password_format: 'bcrypt' },
    ],
    rejects: ['email_missing'],
  },
  {
    adapter: firebaseAdapter,
    file: 'firebase.json',
    parameters: { hash_config: hashConfig },
    users: [
      {
        email: 'ada@example.com',
        name: 'Ada Example',
        password_format: 'firebase-scrypt',
        created_at: new Date(1_486_324_693_000),
        roles: ['editor'],
        accounts: [GOOGLE],
        metadata: { phoneNumber: '+15550100' },
      },
      { email: 'grace@example.com', disabled: true, accounts: [] },
      { email: 'linus@example.com', email_verified: false },
    ],
    rejects: ['email_missing'],
  },
  {
    adapter: keycloakAdapter,
    file: 'keycloak-realm.json',
    users: [
      {
        email: 'ada@example.com',
        name: 'Ada Example',
        email_verified: true,
        password_format: 'argon2id',
        roles: ['editor'],
        metadata: { username: 'ada' },
      },
      { email: 'grace@example.com', password_format: 'pbkdf2', accounts: [GOOGLE] },
      { email: 'linus@example.com', password_format: 'pbkdf2', email_verified: false },
      { email: 'mallory@example.com', password_format: 'pbkdf2', disabled: true },
      { email: 'otto@example.com', password_hash: null, totp_secret: 'JN3TG5SRGJWVIOLYLJZDOTDCJZRUINLT' },
    ],
    rejects: ['email_missing', 'service_account'],
  },
  { adapter: supabaseAdapter, file: 'supabase.ndjson', users: SUPABASE, rejects: ['deleted_there'] },
  { adapter: supabaseAdapter, file: 'supabase.csv', users: SUPABASE, rejects: ['deleted_there'] },
  {
    adapter: zitadelAdapter,
    file: 'zitadel.json',
    users: [
      {
        email: 'ada@example.com',
        name: 'Ada Example',
        email_verified: true,
        password_format: 'bcrypt',
        totp_secret: 'JBSWY3DPEHPK3PXPJBSWY3DP',
      },
      { email: 'grace@example.com', accounts: [{ provider: '234567890', subject: '1102' }] },
      { email: 'linus@example.com', email_verified: false },
    ],
    rejects: [],
  },
  {
    adapter: cognitoAdapter,
    file: 'cognito.json',
    users: [
      {
        legacy_id: '00000000-0000-4000-8000-000000000001',
        email: 'ada@example.com',
        name: 'Ada Example',
        email_verified: true,
        password_hash: null,
        created_at: CREATED,
        accounts: [GOOGLE],
        metadata: { username: 'ada', attributes: { 'custom:plan': 'pro' } },
      },
      { email: 'grace@example.com', disabled: true },
    ],
    rejects: [],
  },
  {
    adapter: cognitoAdapter,
    file: 'cognito.csv',
    users: [
      { legacy_id: 'ada', email: 'ada@example.com', name: 'Ada Example', email_verified: true },
      { legacy_id: 'linus', email: 'linus@example.com', email_verified: false, name: null },
    ],
    rejects: [],
  },
];

const byEmail = (one: { readonly email?: unknown }, other: { readonly email?: unknown }): number =>
  String(one.email).localeCompare(String(other.email));

describe.each(SYSTEMS)('$adapter.kind: $file', ({ adapter, file, parameters, users, rejects }) => {
  const options = optionsOf(parameters);
  const read = () => readAll(adapter, createReadStream(fixture(file)), options);

  test('every user is read with what the file has, and what is no user is rejected with its reason', async () => {
    const records = await read();
    const found = usersOf(records).sort(byEmail);
    expect(found).toMatchObject([...users].sort(byEmail).map((user) => ({ ...user })));
    expect(found).toHaveLength(users.length);
    expect(rejectsOf(records).sort()).toEqual([...rejects].sort());
    expect(records.every(({ line }) => line >= 1)).toBe(true);
  });

  test('a file without users is read', async () =>
    expect(await readText(adapter, EMPTY[adapter.kind] as string, options)).toEqual([]));

  test.skipIf(file.endsWith('.csv'))('an array of the users alone is read as the file is', async () => {
    const list = listIn(adapter.kind, readFileSync(fixture(file), 'utf8'));
    const again = await readText(adapter, JSON.stringify(list), options);
    expect(usersOf(again)).toEqual(usersOf(await read()));
  });
});

const EMPTY: Readonly<Record<string, string>> = {
  auth0: '',
  cognito: '{"Users": [\n]}\n',
  firebase: '{"users": []}\n',
  keycloak: '{"ifResourceExists": "SKIP", "users": [\n]}\n',
  supabase: '',
  zitadel: '{"orgs": [{"orgId": "", "humanUsers": [\n]}]}\n',
};

/** The users in the text of a file, which for most systems are its lines. */
function listIn(kind: string, text: string): unknown {
  if (kind === 'cognito') return JSON.parse(text).Users;
  if (kind === 'zitadel')
    return JSON.parse(text).orgs.flatMap(({ humanUsers }: { humanUsers: unknown[] }) => humanUsers);
  if (kind === 'firebase' || kind === 'keycloak') return JSON.parse(text).users;
  const lines = text.trim().split('\n');
  return lines.map((line) => JSON.parse(line));
}

const HASHES = {
  argon2id: '$argon2id$v=19$m=4096,t=2,p=2$c2l4dGVlbiBieXRlIHNsdA$OfKduR2a7eANqOHBeuI6Y1K1DTZN62O/3h5krDbViuE',
  pbkdf2: '$pbkdf2-sha256$20000$yMnKy8zNzs/Q0dLT1NXW1w$jo9VMLSrrDSzfBqq3ZykPdIkuzrCCaNleg83y2zdOR4',
  sha1: '$pbkdf2-sha1$20000$yMnKy8zNzs/Q0dLT1NXW1w$t4fbuHjxAzKmEVVMyAlp4N.MFJw',
  bcrypt: `$2b$12$${'a'.repeat(53)}`,
  scrypt: '$scrypt$ln=12,r=8,p=1$yMnKy8zNzs/Q0dLT1NXW1w$0XRoUC+a+vcSI4vmLWUyNEhkftxfxaVexz2FSN8VeFg',
} as const;

describe('Auth0', () => {
  const { bcrypt, argon2id, pbkdf2, sha1, scrypt } = HASHES;
  const key = 'jo9VMLSrrDSzfBqq3ZykPdIkuzrCCaNleg83y2zdOR4';
  test.each([
    ['password_hash', bcrypt, bcrypt],
    ['custom_password_hash', argon2id, argon2id],
    ['custom_password_hash', scrypt, scrypt],
    ['custom_password_hash', `$pbkdf2-sha256$i=20000,l=32$yMnKy8zNzs/Q0dLT1NXW1w$${key}`, pbkdf2],
    ['custom_password_hash', '$pbkdf2-sha1$i=20000,l=20$yMnKy8zNzs/Q0dLT1NXW1w$t4fbuHjxAzKmEVVMyAlp4N+MFJw', sha1],
  ])('%s of a bulk import is read, its users without the prefix of their ids: %s', async (member, value, expected) => {
    const hash = member === 'password_hash' ? value : { algorithm: 'x', hash: { value, encoding: 'utf8' } };
    const user = { user_id: '5f9d', email: 'a@example.com', [member]: hash };
    expect(usersOf(await readText(auth0Adapter, JSON.stringify([user])))).toMatchObject([
      { legacy_id: 'auth0|5f9d', password_hash: expected },
    ]);
  });

  test('a hash without an address is rejected, and so is a user without id', async () => {
    const text = '{"_id":{"$oid":"5f9d"},"passwordHash":"$2b$10$x"}\n{"email":"a@example.com"}\n{"_id":{"$oid":"6"}}\n';
    expect(rejectsOf(await readText(auth0Adapter, text))).toEqual(['id_missing', 'id_missing', 'email_missing']);
  });
});

describe('Firebase', () => {
  const user = { localId: 'a', email: 'a@example.com', passwordHash: 'aGFzaA==', salt: 'c2FsdA==' };
  const file = (...users: readonly object[]): string => JSON.stringify({ users });

  test.each([undefined, 'algorithm: SCRYPT', 'algorithm: STANDARD_SCRYPT, base64_signer_key: YQ=='])(
    'users with hashes are rejected without the parameters of the hashes (%s)',
    async (config) => {
      const options = optionsOf(config === undefined ? {} : { hash_config: config });
      expect(rejectsOf(await readText(firebaseAdapter, file(user), options))).toEqual(['hash_config_missing']);
      expect(firebaseAdapter.hashKeys?.(options)).toEqual([]);
    },
  );

  test('hashes of a project that has bcrypt are those of the file, in base64', async () => {
    const file = JSON.stringify({ users: [{ ...user, passwordHash: Buffer.from(HASHES.bcrypt).toString('base64') }] });
    const options = optionsOf({ hash_config: 'algorithm: BCRYPT' });
    expect(usersOf(await readText(firebaseAdapter, file, options))).toMatchObject([{ password_hash: HASHES.bcrypt }]);
  });

  test('the signer key is handed over to be sealed, and is in no digest', async () => {
    const options = optionsOf({ hash_config: hashConfig });
    const [key] = firebaseAdapter.hashKeys?.(options) ?? [];
    expect(key).toHaveLength(64);
    const [found] = usersOf(await readText(firebaseAdapter, file(user), options));
    expect(found?.password_hash).not.toContain(Buffer.from(key as Uint8Array).toString('base64'));
  });

  test('claims that are no JSON are kept as they are', async () => {
    const [odd] = usersOf(
      await readText(firebaseAdapter, file({ localId: 'a', email: 'a@b.c', customAttributes: '{' })),
    );
    expect(odd).toMatchObject({ roles: [], metadata: { customAttributes: '{' } });
    const [single] = usersOf(
      await readText(firebaseAdapter, file({ localId: 'a', email: 'a@b.c', customAttributes: '{"role":"x"}' })),
    );
    expect(single?.roles).toEqual(['x']);
    expect(rejectsOf(await readText(firebaseAdapter, file({ email: 'a@b.c' })))).toEqual(['id_missing']);
    const listed = { localId: 'a', email: 'a@b.c', customAttributes: '[]' };
    expect(usersOf(await readText(firebaseAdapter, file(listed)))).toMatchObject([{ roles: [] }]);
  });
});

describe('Keycloak', () => {
  const file = (...users: readonly object[]): string => JSON.stringify({ realm: 'shop', users });
  const withOtp = (data: object, value = 'secret of an app') =>
    file({
      id: 'a',
      email: 'a@example.com',
      credentials: [{ type: 'otp', secretData: JSON.stringify({ value }), credentialData: JSON.stringify(data) }],
    });
  const usual = { subType: 'totp', digits: 6, period: 30, algorithm: 'HmacSHA1' };

  test.each([
    ['eight digits', { ...usual, digits: 8 }],
    ['SHA-256', { ...usual, algorithm: 'HmacSHA256' }],
    ['SHA-512', { ...usual, algorithm: 'HmacSHA512' }],
    ['a counter', { ...usual, subType: 'hotp' }],
  ])('an app with %s is a lost factor', async (_what, data) => {
    expect(usersOf(await readText(keycloakAdapter, withOtp(data)))).toMatchObject([
      { totp_secret: null, factors_lost: ['totp'] },
    ]);
  });

  test('a secret in base32 is taken as it is', async () => {
    const text = withOtp({ ...usual, secretEncoding: 'BASE32' }, 'JBSWY3DPEHPK3PXP');
    expect(usersOf(await readText(keycloakAdapter, text))).toMatchObject([{ totp_secret: 'JBSWY3DPEHPK3PXP' }]);
  });

  test('passkeys are read for the domain that the operator names', async () => {
    const data = {
      aaguid: 'ea9b8d66-4d01-1d21-3ce4-b6b48cb575d4',
      credentialId: 'AQID',
      counter: 7,
      credentialPublicKey: 'BAUG',
      transports: ['INTERNAL'],
    };
    const credential = { type: 'webauthn', credentialData: JSON.stringify(data), userLabel: 'laptop' };
    const text = file({ id: 'a', email: 'a@b.c', credentials: [credential] });
    const passkey = {
      rp_id: 'example.com',
      credential_id: 'AQID',
      public_key: 'BAUG',
      counter: 7,
      transports: ['internal'],
      device_type: 'singleDevice',
      backed_up: false,
      aaguid: 'ea9b8d66-4d01-1d21-3ce4-b6b48cb575d4',
      name: 'laptop',
    };
    const options = optionsOf({ rp_id: 'example.com' });
    expect(usersOf(await readText(keycloakAdapter, text, options))).toMatchObject([{ passkeys: [passkey] }]);
    expect(usersOf(await readText(keycloakAdapter, text))).toMatchObject([{ passkeys: [] }]);
    const broken = file({ id: 'a', email: 'a@b.c', credentials: [{ type: 'webauthn', credentialData: '[' }] });
    expect(usersOf(await readText(keycloakAdapter, broken, options))).toMatchObject([{ passkeys: [] }]);
  });

  test('roles of clients are named by client and role', async () => {
    const metadata = { username: 'a', attributes: { locale: ['en'] }, groups: ['/staff'], requiredActions: ['TERMS'] };
    const text = file({
      ...{ id: 'a', email: 'a@b.c', ...metadata },
      ...{ realmRoles: ['editor', 'offline_access'], clientRoles: { app: ['viewer', 'owner'] } },
    });
    expect(usersOf(await readText(keycloakAdapter, text))).toMatchObject([
      { roles: ['editor', 'app/viewer', 'app/owner'], metadata: { ...metadata, builtInRoles: ['offline_access'] } },
    ]);
  });

  test('data of credentials may be objects; a hash of an unknown algorithm keeps its name', async () => {
    const password = (data: object, secret: object) =>
      file({ id: 'a', email: 'a@b.c', credentials: [{ type: 'password', secretData: secret, credentialData: data }] });
    const read = async (data: object, secret: object = { value: 'a2V5', salt: 'c2FsdA==' }) =>
      usersOf(await readText(keycloakAdapter, password(data, secret)))[0]?.password_hash;
    expect(await read({ algorithm: 'md5', hashIterations: 1 })).toBe('keycloak:md5');
    expect(await read({}, {})).toBe('keycloak:');
    const salt = 'yMnKy8zNzs/Q0dLT1NXW1w==';
    const work = { algorithm: 'pbkdf2', hashIterations: 20_000 };
    expect(await read(work, { value: 't4fbuHjxAzKmEVVMyAlp4N+MFJw=', salt })).toBe(HASHES.sha1);
    expect(await read({ algorithm: 'bcrypt' }, { value: HASHES.bcrypt })).toBe(HASHES.bcrypt);
    expect(rejectsOf(await readText(keycloakAdapter, file({ email: 'a@b.c' })))).toEqual(['id_missing']);
  });
});

describe('Supabase', () => {
  test('a ban that ended before the row changed is none, and one may have no end', async () => {
    const row = {
      id: 'a',
      email: 'a@b.c',
      banned_until: '2024-01-01 00:00:00+00',
      updated_at: '2024-02-01 00:00:00+00',
    };
    expect(usersOf(await readText(supabaseAdapter, JSON.stringify(row)))).toMatchObject([{ disabled: false }]);
    const banned = { ...row, banned_until: '9999-12-31T00:00:00Z' };
    expect(usersOf(await readText(supabaseAdapter, JSON.stringify(banned)))).toMatchObject([{ disabled: true }]);
  });

  test('names, pictures and roles are read from either member of the metadata', async () => {
    const row = {
      ...{ id: 'a', email: 'a@b.c' },
      raw_user_meta_data: { name: 'New', picture: 'https://example.com/new.png', theme: 'dark' },
      raw_app_meta_data: { role: 'viewer', roles: ['editor'], a: 1 },
    };
    expect(usersOf(await readText(supabaseAdapter, JSON.stringify(row)))).toMatchObject([
      {
        name: 'New',
        image: 'https://example.com/new.png',
        roles: ['editor', 'viewer'],
        metadata: { raw_user_meta_data: { theme: 'dark' }, raw_app_meta_data: { a: 1 } },
      },
    ]);
  });

  test('an array is read too; text that is no JSON has no members', async () => {
    const rows = [
      { id: 'a', email: 'a@b.c', raw_app_meta_data: '{', identities: '{' },
      { email: 'a@b.c' },
      { id: 'b' },
    ];
    const records = await readText(supabaseAdapter, JSON.stringify(rows));
    expect(usersOf(records)).toMatchObject([{ metadata: {}, accounts: [] }]);
    expect(rejectsOf(records)).toEqual(['id_missing', 'email_missing']);
  });
});

describe('ZITADEL and Cognito', () => {
  test('a user without id or address is rejected', async () => {
    const zitadel = JSON.stringify({ orgs: [{ humanUsers: [{ user: {} }, { userId: '1' }] }] });
    expect(rejectsOf(await readText(zitadelAdapter, zitadel))).toEqual(['id_missing', 'email_missing']);
    const cognito = JSON.stringify({ Users: [{ Attributes: [{}] }, { Username: 'a' }] });
    expect(rejectsOf(await readText(cognitoAdapter, cognito))).toEqual(['id_missing', 'email_missing']);
  });

  test('ZITADEL: names apart make a name, an address is none, and a disabled user stays so', async () => {
    const user = { email: { email: 'a@b.c' }, profile: { firstName: 'Ada', lastName: 'B' } };
    const text = JSON.stringify({ orgs: [{ humanUsers: [{ userId: '1', user }] }] });
    expect(usersOf(await readText(zitadelAdapter, text))).toMatchObject([{ name: 'Ada B' }]);
    const profile = { firstName: 'a@b.c', lastName: 'a@b.c' };
    const nameless = { userId: '2', state: 'USER_STATE_INACTIVE', user: { email: { email: 'a@b.c' }, profile } };
    expect(usersOf(await readText(zitadelAdapter, JSON.stringify([nameless])))).toMatchObject([
      { disabled: true, name: null },
    ]);
  });

  test('ZITADEL: a file that ends early, and one without users, is reported', async () => {
    await expect(readText(zitadelAdapter, '{"orgs": []}')).rejects.toMatchObject({ code: 'import_file_unreadable' });
    for (const text of ['{"orgs": [{"humanUsers": [', ''])
      expect(rejectsOf(await readText(zitadelAdapter, text))).toEqual(['json_truncated']);
  });

  test('Cognito: identities that are no JSON are none', async () => {
    const attributes = [
      { Name: 'email', Value: 'a@b.c' },
      { Name: 'identities', Value: '{' },
    ];
    const text = JSON.stringify({ Users: [{ Username: 'a', Attributes: attributes }] });
    expect(usersOf(await readText(cognitoAdapter, text))).toMatchObject([{ accounts: [] }]);
  });
});
