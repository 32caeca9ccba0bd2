import { beforeAll, describe, expect, test } from 'vitest';
import { openPeopledHarness } from '#tools/testing/harness/people.ts';
import { opened } from '#tools/testing/opened.ts';
import { outcomeOf } from '#tools/testing/outcome.ts';
import { accountKeyOf } from '../sign-in/sign-in-counters.ts';
import { readUserState } from '../users/read-user-state.ts';
import { listUsers, showUser } from './read-users.ts';

const harness = opened(openPeopledHarness);

describe('the list of accounts', () => {
  // Created a day apart, the last one newest; the two of the third day at the same moment.
  const made = ['2020-01-01', '2020-01-02', '2020-01-03', '2020-01-03'];
  const ids: string[] = [];
  const within = { created_from: '2020-01-01T00:00:00Z', created_to: '2020-01-31T00:00:00Z' };
  const idsOf = async (filter: object) =>
    (await listUsers(harness.deps, { limit: 10, ...within, ...filter })).users.map(({ id }) => id);
  const newestFirst = () => [...ids.slice(2).sort().reverse(), ids[1], ids[0]];

  beforeAll(async () => {
    for (const [at, day] of made.entries()) {
      const { id } = await harness.newUser({ roles: at === 0 ? ['auditor'] : [] });
      ids.push(id);
      const values = [id, `list-${at}@people.test`, `${day}T12:00:00.123Z`, at === 1 ? `${day}T13:00:00Z` : null];
      await harness.rows('UPDATE users SET email = $2, "createdAt" = $3, "disabledAt" = $4 WHERE id = $1', values);
    }
  });

  test('is returned in pages, newest first, without omitting accounts created at the same moment', async () => {
    const seen: string[] = [];
    let cursor: string | undefined;
    for (let page = 0; page < made.length; page += 1) {
      const { users, next } = await listUsers(harness.deps, { limit: 1, ...within, cursor });
      seen.push(...users.map(({ id }) => id));
      expect(next === null).toBe(page === made.length - 1);
      cursor = next ?? undefined;
    }
    expect(seen).toEqual(newestFirst());
  });

  test('shows each account without secrets', async () => {
    const { users } = await listUsers(harness.deps, { limit: 1, email_prefix: 'list-0' });
    expect(users).toEqual([
      {
        id: ids[0],
        email: 'list-0@people.test',
        name: 'Ada',
        email_verified_at: expect.any(String),
        roles: ['auditor', 'user'],
        disabled_at: null,
        created_at: '2020-01-01T12:00:00.123Z',
        updated_at: expect.any(String),
      },
    ]);
  });

  test('applies each filter, and several together', async () => {
    expect([await idsOf({}), await idsOf({ role: 'auditor' })]).toEqual([newestFirst(), [ids[0]]]);
    expect(await idsOf({ disabled: 'true' })).toEqual([ids[1]]);
    expect(await idsOf({ disabled: 'false' })).toEqual(newestFirst().filter((id) => id !== ids[1]));
    expect(await idsOf({ created_from: '2020-01-01T12:00:00.124Z', created_to: '2020-01-02T12:00:00.123Z' })).toEqual([
      ids[1],
    ]);
    expect(await idsOf({ disabled: 'true', role: 'auditor' })).toEqual([]);
  });

  test('matches the prefix of an address in any case, and treats no character as a wildcard', async () => {
    expect(await idsOf({ email_prefix: 'LIST-2@' })).toEqual([ids[2]]);
    expect(await idsOf({ email_prefix: 'list-%' })).toEqual([]);
    // LATIN SMALL LETTER LONG S is not S, and the KELVIN SIGN is not K.
    expect(await idsOf({ email_prefix: 'li\u017ft-2@' })).toEqual([]);
    expect(await idsOf({ email_prefix: 'ist-2' })).toEqual([]);
  });

  test('rejects a cursor of another list: cursor_invalid', async () => {
    const cursor = Buffer.from(JSON.stringify([ids[0]])).toString('base64url');
    expect(await outcomeOf(listUsers(harness.deps, { limit: 1, cursor }))).toBe('cursor_invalid');
  });

  test('treats a date before the range of the database as its beginning', async () =>
    expect(await idsOf({ created_from: '0000-01-01T00:00:00Z' })).toEqual(newestFirst()));
});

describe('one account', () => {
  test('shows its sessions, token families and wrong passwords', async () => {
    const user = await harness.signedIn({ hasPassword: true });
    const locked = `INSERT INTO login_failures (key, failures, locked_until) VALUES ($1, 7, now() + interval '10 minutes')`;
    await harness.rows(locked, [accountKeyOf(harness.deps, user.email)]);
    const shown = await showUser(harness.deps, { user_id: user.id });
    expect(shown).toMatchObject({
      id: user.id,
      sessions: 1,
      logins: 1,
      last_login_at: expect.any(String),
      password_changed_at: expect.any(String),
      failed_logins: 7,
      password_closed: false,
      invited_roles: [],
      factors: { totp: false, passkeys: 0, recovery_codes_left: 0, owed: false },
    });
    expect(Date.parse(shown.locked_until as string)).toBeGreaterThan(Date.now());
    expect(JSON.stringify(shown)).not.toContain(harness.digest);
  });

  test('without a sign-in shows no sign-in, password or failure', async () => {
    const { id } = await harness.newUser({ isVerified: false });
    expect(await showUser(harness.deps, { user_id: id })).toMatchObject({
      email_verified_at: null,
      last_login_at: null,
      password_changed_at: null,
      failed_logins: 0,
      locked_until: null,
      sessions: 0,
      logins: 0,
    });
  });

  test('with a hundred wrong passwords is locked for passwords permanently', async () => {
    const { id, email } = await harness.newUser();
    const spent = 'INSERT INTO login_failures (key, failures) VALUES ($1, 100)';
    await harness.rows(spent, [accountKeyOf(harness.deps, email)]);
    expect(await showUser(harness.deps, { user_id: id })).toMatchObject({ locked_until: null, password_closed: true });
  });

  test('an expired session is not counted', async () => {
    const user = await harness.signedIn();
    await harness.rows`UPDATE sessions SET "expiresAt" = now() - interval '1 second' WHERE "userId" = ${user.id}`;
    expect(await showUser(harness.deps, { user_id: user.id })).toMatchObject({ sessions: 0 });
  });

  test('recovery codes are shown only with a factor', async () => {
    const { id } = await harness.newUser();
    const app = `INSERT INTO two_factors (id, "userId", secret, "backupCodes", verified, "codesLeft") VALUES ($1, $1, 'x', 'x', false, 8)`;
    await harness.rows(app, [id]);
    const factors = async () => (await showUser(harness.deps, { user_id: id })).factors;
    expect(await factors()).toEqual({ totp: false, passkeys: 0, recovery_codes_left: 0, owed: false });
    await harness.rows`
      INSERT INTO passkeys (id, "userId", "publicKey", "credentialID", counter, "deviceType", "backedUp")
      VALUES (${id}, ${id}, 'x', ${id}, 0, 'singleDevice', false)`;
    expect(await factors()).toEqual({ totp: false, passkeys: 1, recovery_codes_left: 8, owed: false });
    await harness.rows`UPDATE two_factors SET verified = true WHERE "userId" = ${id}`;
    await harness.rows`DELETE FROM passkeys WHERE "userId" = ${id}`;
    expect(await factors()).toEqual({ totp: true, passkeys: 0, recovery_codes_left: 8, owed: false });
  });

  test('with a pending invitation shows its roles', async () => {
    const { id } = await harness.newUser({ isVerified: false });
    await harness.rows`INSERT INTO invitations (id, user_id, roles) VALUES (gen_random_uuid(), ${id}, '{auditor}')`;
    expect(await showUser(harness.deps, { user_id: id })).toMatchObject({
      roles: ['user'],
      invited_roles: ['auditor'],
    });
  });
});

test('an account is in use, disabled with a higher epoch, or not there', async () => {
  const { id, email } = await harness.newUser();
  expect(await readUserState(harness.deps, id)).toEqual({ email, isDisabled: false, tokenEpoch: 0 });
  await harness.rows`UPDATE users SET "disabledAt" = now() WHERE id = ${id}`;
  expect(await readUserState(harness.deps, id)).toEqual({ email, isDisabled: true, tokenEpoch: 1 });
  expect(await readUserState(harness.deps, 'unknown')).toBeNull();
});
