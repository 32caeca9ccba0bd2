import { describe, expect, test } from 'vitest';
import { testCaller, userCaller } from '#tools/testing/harness/ports.ts';
import { opened } from '#tools/testing/opened.ts';
import { outcomeOf } from '#tools/testing/outcome.ts';
import { findAdapter } from '../adapters/adapters.ts';
import { importMap } from '../import-shapes.ts';
import { HASH, ndjson, OTHER_HASH, openImportHarness, RP_ID } from './import-harness.ts';
import { readImport } from './read-imports.ts';
import { readMoves } from './read-move.ts';
import { runImport } from './run-import.ts';
import { startImport } from './start-import.ts';

const harness = opened(openImportHarness);

let made = 0;
/** A record of its own; members that are given take the place of these. */
const person = (members: object = {}): Record<string, unknown> => {
  made += 1;
  return {
    legacy_id: `old_${made}`,
    email: `person${made}@example.com`,
    email_verified: true,
    name: `Person ${made}`,
    ...members,
  };
};
const userOf = async (legacyId: unknown) =>
  (
    await harness.rows`SELECT u.*, a.password, m.metadata FROM legacy_users l JOIN users u ON u.id = l.user_id
      LEFT JOIN accounts a ON a."userId" = u.id AND a."providerId" = 'credential'
      LEFT JOIN user_metadata m ON m.user_id = u.id WHERE l.legacy_id = ${legacyId}`
  )[0];
const signUp = (id: string, email: string, isVerified: boolean) =>
  harness.rows`INSERT INTO users (id, email, "emailVerified")
    VALUES (${id}, ${email}, CASE WHEN ${isVerified} THEN now() END)`;

test('imports address, name, time, hash, metadata, accounts, roles and factors, and keeps the id as the subject of tokens', async () => {
  const one = person({
    created_at: '2020-02-03T04:05:06.000Z',
    image: 'https://example.com/a.png',
    password_hash: HASH,
    metadata: { plan: 'gold' },
    accounts: [{ provider: 'google', subject: 'g-1' }],
    roles: ['boss'],
    totp_secret: 'JBSWY3DPEHPK3PXP',
    recovery_codes: ['aaaa-bbbb', 'cccc-dddd'],
    passkeys: [
      { rp_id: RP_ID, credential_id: 'Y3JlZC0x', public_key: 'a2V5', counter: 7, transports: ['usb', 'nfc'] },
      { rp_id: 'elsewhere.example', credential_id: 'Y3JlZC0y', public_key: 'a2V5', counter: 0 },
    ],
  });
  const run = await harness.importText('ndjson', ndjson(one), { roles: { boss: 'auditor' } });
  expect(run).toMatchObject({
    state: 'done',
    new_count: 1,
    rejected_count: 0,
    hash_formats: { bcrypt: 1 },
    rejects: [],
  });
  const user = await userOf(one.legacy_id);
  expect(user).toMatchObject({
    id: one.legacy_id,
    email: one.email,
    name: one.name,
    image: one.image,
    password: HASH,
    metadata: { plan: 'gold' },
    roles: ['auditor', 'user'],
    twoFactorEnabled: true,
    disabledAt: null,
  });
  expect(user?.createdAt).toEqual(new Date(one.created_at as string));
  expect(user?.emailVerified).not.toBeNull();
  const [factor] = await harness.rows`SELECT * FROM two_factors WHERE "userId" = ${one.legacy_id}`;
  expect(factor).toMatchObject({ verified: true, codesLeft: 2 });
  expect(await harness.ports.factorSeal.open(factor?.secret as string)).toBe('base32:JBSWY3DPEHPK3PXP');
  expect(await harness.ports.factorSeal.open(factor?.backupCodes as string)).toBe('["aaaa-bbbb","cccc-dddd"]');
  expect(await harness.rows`SELECT "credentialID", transports FROM passkeys WHERE "userId" = ${one.legacy_id}`).toEqual(
    [{ credentialID: 'Y3JlZC0x', transports: 'usb,nfc' }],
  );
  expect(await harness.rows`SELECT "accountId" FROM accounts WHERE "providerId" = 'google'`).toEqual([
    { accountId: 'g-1' },
  ]);
});

test('an id that cannot be one here becomes an alias of a new one', async () => {
  const one = person({ legacy_id: 'auth0|5f7c' });
  const two = person();
  await harness.importText('ndjson', ndjson(one));
  await harness.importText('ndjson', ndjson(two), { ids: 'new' });
  expect((await userOf(one.legacy_id))?.id).toMatch(/^[0-9a-f-]{36}$/);
  expect((await userOf(two.legacy_id))?.id).not.toBe(two.legacy_id);
});

test('an id that is a word of ours, or the id of a user here in other letters, becomes an alias', async () => {
  await signUp('0193c0de-0000-7000-8000-00000000000a', 'the-admin@example.com', true);
  const ids = ['admin', 'System', 'ME', '0193C0DE-0000-7000-8000-00000000000A', 'Fq3x', 'fQ3X'];
  const twice = ['0193C0DE-0000-7000-8000-00000000000b', '0193c0de-0000-7000-8000-00000000000b'];
  const run = await harness.importText('ndjson', ndjson(...[...ids, ...twice].map((id) => person({ legacy_id: id }))));
  expect(run.new_count).toBe(8);
  const kept = await Promise.all([...ids, ...twice].map(async (id) => (await userOf(id))?.id === id));
  expect(kept).toEqual([false, false, false, false, true, true, true, false]);
});

test('ids above the numbers that a double holds stay two people, in one file and in two', async () => {
  const line = (id: string, who: string, hash: string): string =>
    `{"id":${id},"email":"${who}@digits.example","email_verified":true,"password_hash":${JSON.stringify(hash)}}\n`;
  const first = await harness.importText('ndjson', line('36028797018963968', 'one', HASH));
  const second = await harness.importText('ndjson', line('36028797018963971', 'two', OTHER_HASH));
  expect([first.new_count, second.new_count, second.changed_count]).toEqual([1, 1, 0]);
  expect(await userOf('36028797018963968')).toMatchObject({ email: 'one@digits.example', password: HASH });
  expect(await userOf('36028797018963971')).toMatchObject({ email: 'two@digits.example', password: OTHER_HASH });
  const third = await harness.importText('ndjson', line('"36028797018963971"', 'two', OTHER_HASH));
  expect(third).toMatchObject({ same_count: 1, rejected_count: 0 });
  const fourth = await harness.importText('ndjson', line('3.6028797018963971e16', 'two', OTHER_HASH));
  expect(fourth.rejects).toEqual([{ record: 1, line: 1, reason: 'id_not_exact', value: 'two@digits.example' }]);
});

describe('again', () => {
  test('the same file changes nothing: tokens, sessions and rows stay', async () => {
    const one = person({ password_hash: HASH });
    await harness.importText('ndjson', ndjson(one));
    const before = await userOf(one.legacy_id);
    const run = await harness.importText('ndjson', ndjson(one));
    expect(run).toMatchObject({ new_count: 0, changed_count: 0, same_count: 1 });
    expect(await userOf(one.legacy_id)).toEqual(before);
  });

  test('an address and a hash that change at once may be another person: rejected until the operator confirms the id', async () => {
    const one = person({ password_hash: HASH });
    await harness.importText('ndjson', ndjson(one));
    const before = await userOf(one.legacy_id);
    const next = { ...one, email: `moved-${one.email}`, password_hash: OTHER_HASH };
    const run = await harness.importText('ndjson', ndjson(next));
    expect(run).toMatchObject({ changed_count: 0, reject_reasons: { address_and_hash_changed: 1 } });
    expect(run.rejects).toEqual([{ record: 1, line: 1, reason: 'address_and_hash_changed', value: next.email }]);
    expect(await userOf(one.legacy_id)).toEqual(before);
    const others = await harness.importText('ndjson', ndjson(next), { same_person: ['someone-else'] });
    expect(others.rejected_count).toBe(1);
    const confirmed = await harness.importText('ndjson', ndjson(next), { same_person: [one.legacy_id] });
    expect(confirmed).toMatchObject({ changed_count: 1, rejects: [] });
    expect(await userOf(one.legacy_id)).toMatchObject({ email: next.email, password: OTHER_HASH });
  });

  test('also if address or password were changed here since, and never for one of the two alone', async () => {
    const [address, password, alone] = [person({ password_hash: HASH }), person({ password_hash: HASH }), person()];
    await harness.importText('ndjson', ndjson(address, password, alone));
    await harness.rows`UPDATE users SET email = ${`here-${address.email}`} WHERE id = ${address.legacy_id}`;
    await harness.rows`UPDATE accounts SET password = 'changed here' WHERE "userId" = ${password.legacy_id}`;
    const both = (one: Record<string, unknown>) => ({ ...one, email: `new-${one.email}`, password_hash: OTHER_HASH });
    const run = await harness.importText('ndjson', ndjson(both(address), both(password), both(alone)));
    expect(run.rejects.map(({ reason }) => reason)).toEqual(Array(3).fill('address_and_hash_changed'));
    const one = await harness.importText(
      'ndjson',
      ndjson({ ...address, password_hash: OTHER_HASH }, { ...alone, email: `new-${alone.email}` }),
    );
    expect(one).toMatchObject({ changed_count: 2, rejected_count: 0 });
  });

  test('a changed record changes its user, and a changed hash ends what was open', async () => {
    const one = person({ password_hash: HASH, metadata: { plan: 'tin' } });
    await harness.importText('ndjson', ndjson(one));
    const before = await userOf(one.legacy_id);
    const email = `moved-${one.email}`;
    const moved = { ...one, email };
    await harness.importText('ndjson', ndjson(moved));
    const next = { ...moved, name: 'New Name', password_hash: OTHER_HASH, metadata: { plan: 'gold' }, disabled: true };
    const run = await harness.importText('ndjson', ndjson(next));
    expect(run).toMatchObject({ changed_count: 1, rejects: [] });
    const after = await userOf(one.legacy_id);
    expect(after).toMatchObject({ name: 'New Name', email, password: OTHER_HASH, metadata: { plan: 'gold' } });
    expect(after?.disabledAt).not.toBeNull();
    expect(after?.tokenEpoch).toBeGreaterThan(before?.tokenEpoch as number);
  });

  test('a password that was changed here stays', async () => {
    const one = person({ password_hash: HASH });
    await harness.importText('ndjson', ndjson(one));
    await harness.rows`UPDATE accounts SET password = 'changed here' WHERE "userId" = ${one.legacy_id}`;
    await harness.importText('ndjson', ndjson({ ...one, password_hash: OTHER_HASH }));
    expect((await userOf(one.legacy_id))?.password).toBe('changed here');
  });

  test('a hash that a sign-in upgraded stays while the record has the same hash', async () => {
    const one = person({ password_hash: HASH });
    await harness.importText('ndjson', ndjson(one));
    await harness.rows`SELECT account_password_upgrade(${one.legacy_id}, ${HASH}, 'upgraded')`;
    await harness.importText('ndjson', ndjson({ ...one, name: 'Other Name' }));
    expect(await userOf(one.legacy_id)).toMatchObject({ name: 'Other Name', password: 'upgraded' });
  });

  test('an address that was changed here stays', async () => {
    const one = person();
    await harness.importText('ndjson', ndjson(one));
    await harness.rows`UPDATE users SET email = ${`mine-${one.email}`} WHERE id = ${one.legacy_id}`;
    await harness.importText('ndjson', ndjson({ ...one, name: 'Other', email: `theirs-${one.email}` }));
    expect(await userOf(one.legacy_id)).toMatchObject({ name: 'Other', email: `mine-${one.email}` });
  });

  test('a new address that is unverified, or taken, rejects the record', async () => {
    const [one, two, three] = [person(), person(), person()];
    await harness.importText('ndjson', ndjson(one, two, three));
    const run = await harness.importText(
      'ndjson',
      ndjson(
        { ...one, email: 'fresh@example.com', email_verified: false },
        { ...two, email: String(three.email).toUpperCase() },
      ),
    );
    expect(run.rejects.map(({ line, reason }) => [line, reason])).toEqual([
      [1, 'email_unverified_conflict'],
      [2, 'email_conflict'],
    ]);
  });

  test('a user who was deleted here is not created again, and leaves only the id', async () => {
    const one = person({ password_hash: HASH });
    await harness.importText('ndjson', ndjson(one));
    await harness.rows`DELETE FROM users WHERE id = ${one.legacy_id}`;
    const run = await harness.importText('ndjson', ndjson(one));
    expect(run.rejects).toEqual([{ record: 1, line: 1, reason: 'deleted_here', value: one.email }]);
    const [left] = await harness.rows`SELECT * FROM legacy_users WHERE legacy_id = ${one.legacy_id}`;
    expect(left).toMatchObject({ user_id: null, content_sha256: null, email_sha256: null, password_sha256: null });
    const noBridge = { issuer: null, until: null, checks_passwords: false, provider: null };
    expect(await readMoves(harness.ports, noBridge)).toEqual([expect.objectContaining({ kind: 'ndjson', deleted: 1 })]);
  });
});

describe('an address that an account here has', () => {
  test('links only if both sides have verified it, and the account keeps its password, name and roles', async () => {
    const [both, theirs, ours] = [person({ password_hash: HASH }), person({ email_verified: false }), person()];
    await signUp('here-both', both.email as string, true);
    await signUp('here-theirs', theirs.email as string, true);
    await signUp('here-ours', ours.email as string, false);
    const run = await harness.importText('ndjson', ndjson(both, theirs, ours));
    expect(run).toMatchObject({ new_count: 0, changed_count: 1, linked_count: 1 });
    expect(run.rejects.map(({ reason }) => reason)).toEqual(['email_unverified_conflict', 'email_unverified_here']);
    expect(await userOf(both.legacy_id)).toMatchObject({ id: 'here-both', name: null, password: null });
    const again = await harness.importText(
      'ndjson',
      ndjson({
        ...both,
        name: 'Later',
        password_hash: OTHER_HASH,
        email: 'x-linked@example.com',
        disabled: true,
        accounts: [{ provider: 'github', subject: '78' }],
      }),
    );
    expect(again).toMatchObject({ changed_count: 1, rejects: [] });
    expect(await userOf(both.legacy_id)).toMatchObject({ email: both.email, name: null, password: null });
    const found =
      await harness.rows`SELECT "disabledAt", (SELECT count(*)::int FROM accounts WHERE "userId" = users.id) AS accounts
        FROM users WHERE id = 'here-both'`;
    expect(found).toEqual([{ disabledAt: null, accounts: 0 }]);
  });

  test('a second user of the source with it, unverified, is a duplicate', async () => {
    const one = person();
    await harness.importText('ndjson', ndjson(one));
    const run = await harness.importText('ndjson', ndjson(person({ email: one.email, email_verified: false })));
    expect(run.rejects.map(({ reason }) => reason)).toEqual(['email_duplicate']);
  });

  test('a social account that another user has rejects the record', async () => {
    const account = { provider: 'github', subject: '77' };
    const run = await harness.importText(
      'ndjson',
      ndjson(person({ accounts: [account] }), person({ accounts: [account] })),
    );
    expect(run).toMatchObject({ new_count: 1 });
    expect(run.rejects.map(({ reason }) => reason)).toEqual(['account_conflict']);
  });
});

test('rejects bad records by line, with a reason and no secret, and imports the rest', async () => {
  const good = person({ password_hash: HASH });
  const twin = person({ email: 'twin@example.com' });
  const lines = [
    JSON.stringify(good),
    '{"legacy_id": "broken"',
    JSON.stringify(twin),
    JSON.stringify(person({ email: 'ＴＷＩＮ@example.com' })),
    JSON.stringify({ ...person(), legacy_id: good.legacy_id }),
    JSON.stringify(person({ password_hash: '$2b$31$absurd' })),
    JSON.stringify(person({ roles: ['root'] })),
    '{"legacy_id":"p","email":"p@example.com","__proto__":{"admin":true}}',
    JSON.stringify(person({ name: '=HYPERLINK("https://evil.example")' })),
    JSON.stringify(person({ email: 'kelvin\u212a@example.com' })),
    JSON.stringify({ email: 'no-id@example.com' }),
    '',
    JSON.stringify(person({ metadata: { text: 'x'.repeat(40_000) } })),
  ];
  const bytes = Buffer.concat([
    Buffer.from([0xef, 0xbb, 0xbf]),
    Buffer.from(lines.join('\r\n')),
    Buffer.from('\r\n{"legacy_id":"utf","email":"'),
    Buffer.from([0xff, 0xfe]),
    Buffer.from('@example.com"}\r\n'),
    Buffer.from(`{"legacy_id":"big","email":"${'x'.repeat(1_100_000)}@example.com"}\r\n`),
    Buffer.from(JSON.stringify(person())),
  ]);
  const run = await harness.importText('ndjson', bytes, {}, { chunkBytes: 1_000 });
  expect(run.new_count).toBe(5);
  expect(run.rejects.map(({ line, reason }) => `${line} ${reason}`)).toEqual([
    '2 json_invalid',
    '4 email_not_ascii',
    '5 id_duplicate',
    '6 hash_unknown',
    '7 role_not_mapped',
    '8 prototype_key',
    '10 email_not_ascii',
    '11 id_missing',
    '14 utf8_invalid',
    '15 record_too_large',
  ]);
  expect(JSON.stringify(run.rejects)).not.toContain('absurd');
  expect(run.reject_reasons).toMatchObject({ json_invalid: 1, record_too_large: 1 });
});

test('a record that is rejected takes no address from the one whose it is; the same address in capitals is a duplicate', async () => {
  const [email, victim] = ['victim@example.com', person({ email: 'victim@example.com' })];
  const run = await harness.importText(
    'ndjson',
    ndjson(
      person({ email: email.replace('v', 'ｖ') }),
      victim,
      person({ email: email.toUpperCase(), email_verified: false }),
    ),
  );
  expect(run.rejects.map(({ line, reason }) => `${line} ${reason}`)).toEqual([
    '1 email_not_ascii',
    '3 email_duplicate',
  ]);
  expect(run.new_count).toBe(1);
});

test('a record that the database refuses is rejected, and its batch is imported', async () => {
  const people = Array.from({ length: 5 }, () => person());
  // A row rule of this test alone, as a rule of an operator would be.
  await harness.rows`ALTER TABLE users ADD CONSTRAINT no_such_name CHECK (name <> 'Refused')`;
  const run = await harness.importText(
    'ndjson',
    ndjson(...people.map((one, at) => (at === 3 ? { ...one, name: 'Refused' } : one))),
  );
  await harness.rows`ALTER TABLE users DROP CONSTRAINT no_such_name`;
  expect(run).toMatchObject({ new_count: 4, rejects: [{ line: 4, reason: 'not_stored', value: people[3]?.email }] });
});

test('a role of sign-off for an account with the mailbox of the user who asked rejects its record', async () => {
  const [{ id = '' } = {}] = await harness.rows<{ id: string }>`
    INSERT INTO users (id, email) VALUES ('boss', 'boss@mail.test') RETURNING id`;
  const rights = await harness.rows<{ permission: string }>`SELECT permission FROM role_permissions WHERE role = 'qa'`;
  const askedBy = userCaller(id, { permissions: new Set(rights.map(({ permission }) => permission)) });
  const others = [person(), { ...person(), email: 'boss+two@mail.test' }].map((one) => ({ ...one, roles: ['tester'] }));
  const map = { roles: { tester: 'qa' } };
  const rejects = [{ line: 2, reason: 'role_self_grant', value: 'boss+two@mail.test' }];
  const found = await harness.rehearseText('ndjson', ndjson(...others), map, askedBy);
  expect(found).toMatchObject({ counts: { new: 1, rejected: 1 }, rejects });
  const run = await harness.importText('ndjson', ndjson(...others), map, { askedBy });
  expect(run).toMatchObject({ new_count: 1, rejects });
  // The import of an operator grants it.
  expect(await harness.importText('ndjson', ndjson(...others), map)).toMatchObject({ new_count: 1, same_count: 1 });
});

test('a run that stops goes on where it was, and ends as one that did not stop', async () => {
  const people = Array.from({ length: 2_500 }, () => person());
  const text = ndjson(...people, { ...people[0], legacy_id: 'twin-of-the-first', email_verified: false });
  const stop = new AbortController();
  const stopped = await harness.importText('ndjson', text, {}, { signal: stop.signal, onProgress: () => stop.abort() });
  const [at] = await harness.rows`SELECT state, position FROM imports WHERE id = ${stopped.id}`;
  expect(at).toMatchObject({ state: 'running' });
  expect(at?.position).toBeLessThan(2_500);
  expect(at?.position).toBeGreaterThan(0);
  const ended = await harness.importText('ndjson', text);
  expect(ended).toMatchObject({ id: stopped.id, state: 'done', position: 2_501, new_count: 2_500 });
  expect(ended.rejects).toEqual([{ record: 2_501, line: 2_501, reason: 'email_duplicate', value: people[0]?.email }]);
  const whole = await harness.importText('ndjson', text);
  expect(whole).toMatchObject({ new_count: 0, same_count: 2_500, users_sha256: ended.users_sha256 });
  expect(whole.id).not.toBe(ended.id);
});

test('a run does not go on if a rejected record before its place is gone: one behind it would never be reported', async () => {
  const [one, other] = [person(), person()];
  const [gone, kept] = [person({ email: 'no address' }), person({ email: 'none either' })];
  const map = importMap.parse({});
  const adapter = findAdapter('ndjson') as NonNullable<ReturnType<typeof findAdapter>>;
  const source = { kind: 'ndjson', map, sourceSha256: 'c'.repeat(64), sourceBytes: 1, reason: 'a live source' };
  const row = await startImport(harness.ports, source, testCaller);
  const advance = async (text: string, signal?: AbortSignal, onProgress?: () => void) => {
    const stream = (async function* () {
      yield Buffer.from(text);
    })();
    const run = await startImport(harness.ports, source, testCaller);
    const own = { row: run, adapter, map, stream, batchRecords: 3 };
    return runImport(
      harness.ports,
      { ...own, ...(signal && { signal }), ...(onProgress && { onProgress }) },
      testCaller,
    );
  };
  const stop = new AbortController();
  await advance(ndjson(one, gone, other, kept), stop.signal, () => stop.abort());
  expect(await harness.rows`SELECT state, position FROM imports WHERE id = ${row.id}`).toEqual([
    { state: 'running', position: 3 },
  ]);
  expect(await outcomeOf(advance(ndjson(one, other, kept)))).toBe('import_source_changed');
  expect(await advance(ndjson(one, gone, other, kept))).toMatchObject({ state: 'done', rejected_count: 2 });
});

test('of two processes that import one file, the second stops at a batch that the first has written', async () => {
  const text = ndjson(person());
  const map = importMap.parse({});
  const adapter = findAdapter('ndjson') as NonNullable<ReturnType<typeof findAdapter>>;
  const source = { kind: 'ndjson', map, sourceSha256: 'a'.repeat(64), sourceBytes: text.length, reason: 'two' };
  const row = await startImport(harness.ports, source, testCaller);
  async function* stream() {
    yield Buffer.from(text);
  }
  await runImport(harness.ports, { row, adapter, map, stream: stream() }, testCaller);
  expect(await outcomeOf(runImport(harness.ports, { row, adapter, map, stream: stream() }, testCaller))).toBe(
    'import_overtaken',
  );
  expect(await readImport(harness.ports, { import_id: row.id })).toMatchObject({ status: 'done', progress: 100 });
  expect(await outcomeOf(readImport(harness.ports, { import_id: '019a0000-0000-7000-8000-000000000000' }))).toBe(
    'import_unknown',
  );
});

test.each([
  ['a role that does not exist', 'no-such-role', testCaller, 'import_role_unknown'],
  ['a role with rights that the caller lacks', 'admin', userCaller('some-user'), 'rights_exceeded'],
])('a mapping cannot name %s, and the rehearsal says so', async (_what, role, askedBy, code) => {
  const map = { roles: { a: role } };
  expect(await outcomeOf(harness.importText('ndjson', ndjson(person()), map, { askedBy }))).toBe(code);
  expect(await outcomeOf(harness.rehearseText('ndjson', ndjson(person()), map, askedBy))).toBe(code);
});

test('a rehearsal says what an import would do, and writes nothing', async () => {
  const [known, fresh, changed] = [person(), person(), person()];
  await harness.importText('ndjson', ndjson(known, changed));
  const before = await harness.rows`SELECT count(*) AS users FROM users`;
  const text = ndjson(known, fresh, { ...changed, name: 'Changed' }, person({ email: 'not an address' }));
  const found = await harness.rehearseText('ndjson', text);
  expect(found).toMatchObject({
    counts: { new: 1, changed: 1, same: 1, rejected: 1 },
    rejects: [{ line: 4, reason: 'email_invalid' }],
  });
  expect(found.differences).toEqual([
    { legacy_id: fresh.legacy_id, email: fresh.email, change: 'new' },
    { legacy_id: changed.legacy_id, email: changed.email, change: 'changed' },
  ]);
  expect(await harness.rows`SELECT count(*) AS users FROM users`).toEqual(before);
  const { counts, hash_formats, reject_reasons, notices } = found;
  expect(await harness.importText('ndjson', text)).toMatchObject({
    ...Object.fromEntries(Object.entries(counts).map(([name, count]) => [`${name}_count`, count])),
    ...{ hash_formats, reject_reasons, notices },
  });
});

test('the log has the start, each batch and the end of a run, with counts and no personal data', async () => {
  const one = person();
  const run = await harness.importText('ndjson', ndjson(one));
  const events = await harness.rows`SELECT type, detail FROM audit_outbox WHERE target_id = ${run.id} ORDER BY type`;
  expect(events.map(({ type }) => type)).toEqual(['import.batch', 'import.finished', 'import.started']);
  expect(events[0]?.detail).toEqual({ position: 1, new: 1, changed: 0, same: 0, rejected: 0 });
  expect(JSON.stringify(events)).not.toContain(one.email);
});

test('an import that disables every administrator leaves one, and says so', async () => {
  const [first, second] = [person({ roles: ['boss'] }), person({ roles: ['boss'] })];
  const map = { roles: { boss: 'admin' } };
  await harness.importText('ndjson', ndjson(first, second), map);
  const disabled = ndjson({ ...first, disabled: true }, { ...second, disabled: true });
  const run = await harness.importText('ndjson', disabled, map);
  expect(run).toMatchObject({ changed_count: 1, rejects: [{ reason: 'last_admin', value: second.email }] });
  expect((await userOf(first.legacy_id))?.disabledAt).not.toBeNull();
  expect((await userOf(second.legacy_id))?.disabledAt).toBeNull();
});

test('a dry run shows the last administrator, also when another batch disables the others', async () => {
  const people = Array.from({ length: 1_002 }, () => person());
  const [first, last] = [people[0] as object, people[1_001] as object];
  await harness.importText('ndjson', ndjson({ ...first, roles: ['boss'] }, { ...last, roles: ['boss'] }), {
    roles: { boss: 'admin' },
  });
  await harness.rows`UPDATE users SET "disabledAt" = now()
    WHERE id NOT IN (${(await userOf(people[0]?.legacy_id))?.id}, ${(await userOf(people[1_001]?.legacy_id))?.id})`;
  const text = ndjson({ ...first, disabled: true }, ...people.slice(1, 1_001), { ...last, disabled: true });
  const found = await harness.rehearseText('ndjson', text);
  expect(found.rejects).toEqual([{ record: 1_002, line: 1_002, reason: 'last_admin', value: people[1_001]?.email }]);
});

test('imports that disable users, and that create administrators, do not block each other', async () => {
  const map = { roles: { boss: 'admin' } };
  const shared = person();
  const leaving = person();
  await harness.importText('ndjson', ndjson(shared, leaving));
  for (let round = 0; round < 8; round += 1) {
    const changed = (by: string) => ({ ...shared, name: `${by} ${round}` });
    const ends = await Promise.all([
      harness.importText('ndjson', ndjson(changed('one'), person({ roles: ['boss'] })), map),
      harness.importText('ndjson', ndjson(changed('two'), { ...leaving, name: `${round}`, disabled: true }), map),
    ]);
    expect(ends.map(({ state }) => state)).toEqual(['done', 'done']);
  }
});

test('two imports at once that each disable one of two administrators leave one', async () => {
  const map = { roles: { boss: 'admin' } };
  for (let round = 0; round < 5; round += 1) {
    await harness.rows`UPDATE users SET "disabledAt" = now() WHERE "disabledAt" IS NULL`;
    const pair = [person({ roles: ['boss'] }), person({ roles: ['boss'] })];
    await harness.importText('ndjson', ndjson(...pair), map);
    const ends = await Promise.all(
      pair.map((each) => harness.importText('ndjson', ndjson({ ...each, disabled: true }), map)),
    );
    expect(ends.flatMap(({ rejects }) => rejects).map(({ reason }) => reason)).toEqual(['last_admin']);
  }
});
