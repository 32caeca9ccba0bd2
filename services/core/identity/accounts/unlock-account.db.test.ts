import { describe, expect, test } from 'vitest';
import { newEmail } from '#tools/testing/flows/flows.ts';
import { anonymous, openPeopledHarness } from '#tools/testing/harness/people.ts';
import { opened } from '#tools/testing/opened.ts';
import { outcomeOf } from '#tools/testing/outcome.ts';
import { overtaken } from '#tools/testing/overtaken.ts';
import { knownDevice } from '../sign-in/device-cookie.ts';
import { refuseUnverified } from '../sign-in/sign-in.ts';
import { accountKeyOf } from '../sign-in/sign-in-counters.ts';
import { requestPasswordReset, requestUnlock, sendVerificationEmail } from './ask-for-mail.ts';
import { offerUnlock } from './offer-unlock.ts';
import { unlockAccount } from './unlock-account.ts';

const harness = opened(openPeopledHarness);

/** A user with this many counted wrong passwords. */
async function locked(failures = 7) {
  const person = await harness.newUser();
  const counted = 'INSERT INTO login_failures (key, failures, user_id) VALUES ($1, $2, $3)';
  await harness.rows(counted, [accountKeyOf(harness.deps, person.email), failures, person.id]);
  return person;
}
const failuresOf = async ({ email }: { readonly email: string }) =>
  (await harness.rows`SELECT failures FROM login_failures WHERE key = ${accountKeyOf(harness.deps, email)}`)[0]
    ?.failures;
const unlock = (token: string, cookie?: string) => unlockAccount(harness.deps, { token, cookie }, anonymous);

describe('a mailed unlock code', () => {
  test('clears the count of wrong passwords, returns it, and signs no user in', async () => {
    const person = await locked();
    const answer = await unlock(await harness.codeFor('unlock_account', person));
    expect(answer.body).toEqual({ status: 'unlocked' });
    expect([await failuresOf(person), await harness.sessionsOf(person.id)]).toEqual([undefined, 0]);
    expect(await harness.eventsOf(person.id)).toContainEqual({
      type: 'user.unlocked',
      outcome: 'ok',
      actor_kind: 'anonymous',
      actor_id: null,
      detail: { failures: 7, reason: 'mailed_code' },
    });
  });

  test('makes the browser a known device of this account, and keeps it known for others', async () => {
    const [person, other] = [await locked(), await locked()];
    const cookies: string[] = [];
    for (const one of [person, other]) {
      const { setCookie } = await unlock(await harness.codeFor('unlock_account', one), cookies.at(-1));
      cookies.push(...setCookie.map((line) => line.split(';', 1)[0] as string));
    }
    const isKnown = (email: string) =>
      knownDevice(harness.deps, { cookie: cookies[1], isSecure: false, email }) !== null;
    expect([person.email, other.email, newEmail()].map(isKnown)).toEqual([true, true, false]);
  });

  test('is redeemed once by concurrent requests', async () => {
    const person = await locked();
    const token = await harness.codeFor('unlock_account', person);
    const codes = await Promise.all(Array.from({ length: 5 }, () => outcomeOf(unlock(token))));
    expect(codes.sort()).toEqual(['code_invalid', 'code_invalid', 'code_invalid', 'code_invalid', 'ok']);
  });

  test('is refused and recorded if unknown or for another purpose; the count stays', async () => {
    const person = await locked();
    const before = await harness.countOf('code.refused', 'refused');
    for (const token of ['made up', await harness.codeFor('reset_password', person)])
      expect(await outcomeOf(unlock(token))).toBe('code_invalid');
    expect(await failuresOf(person)).toBe(7);
    expect(await harness.countOf('code.refused', 'refused')).toBe(before + 2);
  });

  test('is rejected for an account that has since been disabled or changed its address', async () => {
    const changes = [
      `UPDATE users SET "disabledAt" = now() WHERE id = $1`,
      `UPDATE users SET email = id || '@people.test' WHERE id = $1`,
      'DELETE FROM users WHERE id = $1',
    ];
    for (const change of changes) {
      const person = await locked();
      const token = await harness.codeFor('unlock_account', person);
      expect(await overtaken(harness.pool, person.id, change, () => outcomeOf(unlock(token)))).toBe('code_invalid');
      expect((await harness.eventsOf(person.id)).map(({ type }) => type)).not.toContain('user.unlocked');
    }
  });

  test('is rejected for an account disabled before the code was issued', async () => {
    const person = await locked();
    await harness.rows`UPDATE users SET "disabledAt" = now() WHERE id = ${person.id}`;
    expect(await outcomeOf(unlock(await harness.codeFor('unlock_account', person)))).toBe('code_invalid');
    expect(await failuresOf(person)).toBe(7);
  });
});

describe('requesting a mail', () => {
  const asks = [
    ['verify_email', sendVerificationEmail],
    ['reset_password', requestPasswordReset],
    ['unlock_account', requestUnlock],
  ] as const;

  test.each(asks)(
    '%s: gets the same response and costs one row, whether or not an account has the address',
    async (template, ask) => {
      const [known, unknown] = [(await harness.newUser()).email, newEmail()];
      for (const email of [known, unknown]) {
        expect(await ask(harness.deps, { email: email.toUpperCase() }, anonymous)).toEqual({
          status: 'mail_sent_if_known',
        });
        expect(await harness.mailsTo(email)).toMatchObject([{ template, to: email }]);
      }
    },
  );

  test('an unlock mail names the counter by a keyed hash, one for each address in any case', async () => {
    const email = newEmail();
    await requestUnlock(harness.deps, { email: email.toUpperCase() }, anonymous);
    const [mail] = await harness.mailsTo(email);
    expect(mail).toMatchObject({ counter: accountKeyOf(harness.deps, email) });
    expect((mail as { counter: string }).counter).not.toContain(email.slice(0, 10));
    expect(mail).not.toHaveProperty('isUnasked');
  });
});

test('an unlock mail is queued unrequested when an incident locked the account, and only if that is committed', async () => {
  const email = newEmail();
  const undone = harness.deps.transact(async (tx) => {
    await offerUnlock(tx, harness.deps, email, harness.system);
    throw new Error('it was not locked');
  });
  await expect(undone).rejects.toThrow('it was not locked');
  expect(await harness.mailsTo(email)).toEqual([]);
  await harness.deps.transact((tx) => offerUnlock(tx, harness.deps, email, harness.system));
  const counter = accountKeyOf(harness.deps, email);
  expect(await harness.mailsTo(email)).toMatchObject([{ template: 'unlock_account', counter, isUnasked: true }]);
});

test('the correct password of an unverified address opens no session, and that is recorded: email_unverified', async () => {
  const { id: userId } = await harness.newUser({ isVerified: false });
  const refused = refuseUnverified(
    harness.deps.sql,
    { userId, identifier: '1.of a name', isKnownDevice: true },
    anonymous,
  );
  expect(await outcomeOf(refused)).toBe('email_unverified');
  const detail = { factor: 'password', identifier: '1.of a name', known_device: true, reason: 'email_unverified' };
  expect(await harness.eventsOf(userId)).toContainEqual(
    expect.objectContaining({ type: 'user.login', outcome: 'refused', detail }),
  );
});
