import { randomUUID } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import type { LanguageTag } from '#services/platform/define/languages.ts';
import { openTestPorts } from '#tools/testing/harness/stores.ts';
import { opened } from '#tools/testing/opened.ts';
import { type MailRequest, writeMail } from './mails.ts';
import type { CodePurpose } from './one-time-codes.store.ts';
import { findCode } from './one-time-codes.ts';
import type { Letter } from './render-mail.ts';

const PUBLIC_URL = 'https://api.sallyport.test';
const ports = opened(openTestPorts);

/** Writes a mail as the worker does. @param id of the row; the same for another attempt */
const write = (
  mail: MailRequest,
  {
    id = ports.random.uuid(),
    askedAt = new Date(),
    language,
  }: { readonly id?: string; readonly askedAt?: Date; readonly language?: LanguageTag } = {},
): Promise<Letter | null> =>
  ports.transact((tx) => writeMail(tx, ports, { ...mail, id, publicUrl: PUBLIC_URL, language, askedAt }));
const pageOf = (letter: Letter | null): string | undefined => letter?.link?.page.slice(PUBLIC_URL.length);
const codesOf = (email: string) =>
  ports.raw<{ purpose: CodePurpose; user_id: string | null }>`SELECT purpose, user_id FROM one_time_codes
    WHERE email = ${email} ORDER BY created_at, id`;

type Made = { readonly isVerified?: boolean; readonly isDisabled?: boolean };
async function newUser({ isVerified = true, isDisabled = false }: Made = {}) {
  const id = randomUUID();
  const email = `${id}@people.test`;
  await ports.raw`INSERT INTO users (id, email, "emailVerified", "disabledAt")
    VALUES (${id}, ${email}, CASE WHEN ${isVerified} THEN now() END, CASE WHEN ${isDisabled} THEN now() END)`;
  return { id, email };
}
const stranger = (): string => `${randomUUID()}@people.test`;

test.each([
  { template: 'sign_up', name: 'Ada' },
  { template: 'password_changed' },
  { template: 'factors_reset' },
  { template: 'email_changed' },
  { template: 'account_deleted' },
  { template: 'account_linked', provider: 'github' },
  { template: 'account_unlinked', provider: 'github' },
] as const)('$template is written in the language of the request that caused it, English without one', async (mail) => {
  const german = await write({ ...mail, to: stranger() }, { language: 'de' });
  expect(german?.subject).toMatch(/\b(Sie|Ihr|Ihre|Ihrem|Ihres)\b/);
  expect((await write({ ...mail, to: stranger() }))?.subject).toMatch(/\b(your|account)\b/i);
});

test('mails to an account are in the language of the request too', async () => {
  const { id, email } = await newUser();
  const inGerman = async (mail: MailRequest) => (await write(mail, { language: 'de' }))?.subject;
  expect(await inGerman({ template: 'reset_password', to: email })).toBe('Wählen Sie ein neues Passwort');
  expect(await inGerman({ template: 'sign_up', to: email, name: 'Eve' })).toBe('Sie haben bereits ein Konto');
  const change = { template: 'change_email', userId: id, userEpoch: 0 } as const;
  expect(await inGerman({ ...change, to: stranger() })).toBe('Bestätigen Sie Ihre E-Mail-Adresse');
  const other = await newUser();
  expect(await inGerman({ ...change, to: other.email })).toBe('Sie haben bereits ein Konto');
  const unverified = await newUser({ isVerified: false });
  expect(await inGerman({ template: 'verify_email', to: unverified.email })).toBe('Bestätigen Sie Ihre E-Mail-Adresse');
});

describe('a sign-up', () => {
  test('with an unverified address sends a code that creates the account', async () => {
    const to = stranger();
    const letter = await write({ template: 'sign_up', to, name: 'Ada' });
    expect(pageOf(letter)).toBe('/account/verify-email');
    expect(await findCode(ports.sql, 'sign_up', letter?.link?.code ?? '')).toMatchObject({ user_id: null, email: to });
    const { email } = await newUser({ isVerified: false });
    expect(pageOf(await write({ template: 'sign_up', to: email, name: 'Eve' }))).toBe('/account/verify-email');
  });

  test('with the address of an account sends a password reset, and creates no account', async () => {
    const { id, email } = await newUser();
    const letter = await write({ template: 'sign_up', to: email, name: 'Eve' });
    expect([letter?.subject, pageOf(letter)]).toEqual(['You already have an account', '/account/reset-password']);
    expect(await codesOf(email)).toEqual([{ purpose: 'reset_password', user_id: id }]);
  });

  test('sends no mail to an address with enough valid codes', async () => {
    const to = stranger();
    const sent = [];
    for (let n = 0; n < 4; n += 1) sent.push((await write({ template: 'sign_up', to, name: 'Ada' })) !== null);
    expect(sent).toEqual([true, true, true, false]);
    expect(await codesOf(to)).toHaveLength(3);
  });
});

describe('requesting verification again', () => {
  test('carries the name of the pending sign-up', async () => {
    const to = stranger();
    await write({ template: 'sign_up', to, name: 'Ada' });
    const letter = await write({ template: 'verify_email', to });
    const code = await findCode(ports.sql, 'sign_up', letter?.link?.code ?? '');
    expect(code).toMatchObject({ email: to, user_id: null, sealed: expect.any(String) });
    expect(code?.sealed).not.toContain('Ada');
  });

  test('is sent for an unverified account; for a verified or unknown address nothing is sent', async () => {
    const { id, email } = await newUser({ isVerified: false });
    const letter = await write({ template: 'verify_email', to: email });
    expect(await findCode(ports.sql, 'verify_email', letter?.link?.code ?? '')).toMatchObject({ user_id: id });
    const proven = await newUser();
    for (const to of [proven.email, stranger()]) {
      expect(await write({ template: 'verify_email', to })).toBeNull();
      expect(await codesOf(to)).toEqual([]);
    }
    for (let n = 0; n < 2; n += 1) await write({ template: 'verify_email', to: email });
    expect(await write({ template: 'verify_email', to: email }), 'enough codes are valid').toBeNull();
  });
});

describe('a password reset', () => {
  test('is sent for an existing, enabled account', async () => {
    const { id, email } = await newUser();
    const letter = await write({ template: 'reset_password', to: email });
    expect(pageOf(letter)).toBe('/account/reset-password');
    expect(await findCode(ports.sql, 'reset_password', letter?.link?.code ?? '')).toMatchObject({ user_id: id });
    const disabled = await newUser({ isDisabled: true });
    for (const to of [disabled.email, stranger()]) {
      expect(await write({ template: 'reset_password', to })).toBeNull();
      expect(await codesOf(to)).toEqual([]);
    }
  });

  test('requested before a password change is not sent; one requested later is', async () => {
    const { id, email } = await newUser();
    await ports.raw`UPDATE users SET "passwordChangedAt" = now() WHERE id = ${id}`;
    const [{ at } = { at: new Date(0) }] = await ports.raw<{ at: Date }>`SELECT "passwordChangedAt" AS at FROM users
      WHERE id = ${id}`;
    const asked = (ms: number) => ({ askedAt: new Date(at.getTime() + ms) });
    expect(await write({ template: 'reset_password', to: email }, asked(-1_000))).toBeNull();
    expect(await codesOf(email)).toEqual([]);
    expect(await write({ template: 'reset_password', to: email }, asked(1_000))).not.toBeNull();
  });
});

describe('an unlock mail', () => {
  const unlock = (to: string, counter: string, isUnasked?: true): Promise<Letter | null> =>
    write({ template: 'unlock_account', to, counter, ...(isUnasked ? { isUnasked } : {}) });
  async function locked(made?: Made) {
    const person = await newUser(made);
    const counter = `account:${person.id.slice(0, 22)}`;
    await ports.raw`INSERT INTO login_failures (key, failures) VALUES (${counter}, 5)`;
    return { ...person, counter };
  }

  test('when requested is sent to an account locked by wrong passwords, and says so', async () => {
    const { id, email, counter } = await locked({ isVerified: false });
    const letter = await unlock(email, counter);
    expect([letter?.subject, pageOf(letter)]).toEqual(['Unlock your account', '/account/unlock']);
    expect(await findCode(ports.sql, 'unlock_account', letter?.link?.code ?? '')).toMatchObject({ user_id: id });
  });

  test('is not sent without failures, for an unknown address or a disabled account', async () => {
    const open = await newUser();
    const [deleted, disabled] = [await locked(), await locked({ isDisabled: true })];
    await ports.raw`DELETE FROM users WHERE id = ${deleted.id}`;
    expect(await unlock(open.email, `account:${open.id.slice(0, 22)}`)).toBeNull();
    for (const { email, counter } of [deleted, disabled]) expect(await unlock(email, counter)).toBeNull();
    for (const { email } of [open, deleted, disabled]) expect(await codesOf(email)).toEqual([]);
  });

  test('when no user requested it is sent only to a verified address, explains why, and is exempt from the limit of codes', async () => {
    const unproven = await locked({ isVerified: false });
    expect(await unlock(unproven.email, unproven.counter, true)).toBeNull();
    const { email, counter } = await locked();
    for (let n = 0; n < 3; n += 1) await unlock(email, counter);
    expect(await unlock(email, counter), 'enough codes are valid').toBeNull();
    expect((await unlock(email, counter, true))?.subject).toBe('Was this you? New sign-in to your account');
  });
});

describe('an invitation', () => {
  async function invited(made: Made = { isVerified: false }) {
    const person = await newUser(made);
    const id = ports.random.uuid();
    await ports.raw`INSERT INTO invitations (id, user_id) VALUES (${id}, ${person.id})`;
    const mail = { template: 'invitation', to: person.email, userId: person.id, lifeSeconds: 172_800 } as const;
    return { ...person, invitation: id, mail };
  }

  test('is sent for its account, and says how long it is valid', async () => {
    const { id, invitation, mail } = await invited();
    const letter = await write(mail, { id: invitation });
    expect(pageOf(letter)).toBe('/account/accept-invitation');
    expect(letter?.paragraphs.join(' ')).toContain('within 2 days');
    expect(await findCode(ports.sql, 'invitation', letter?.link?.code ?? '')).toMatchObject({ user_id: id });
  });

  test('is not sent after it was replaced or accepted', async () => {
    const { email, mail, id } = await invited();
    expect(await write(mail)).toBeNull();
    await ports.raw`DELETE FROM invitations WHERE user_id = ${id}`;
    expect(await write(mail)).toBeNull();
    expect(await codesOf(email)).toEqual([]);
  });

  test.each([
    ['is disabled', 'UPDATE users SET "disabledAt" = now() WHERE id = $1'],
    ['has verified its address', 'UPDATE users SET "emailVerified" = now() WHERE id = $1'],
    ['has another address', `UPDATE users SET email = 'next-' || email WHERE id = $1`],
  ])('is not sent if its account %s by now', async (_what, change) => {
    const { id, email, invitation, mail } = await invited();
    await ports.raw(change, [id]);
    expect(await write(mail, { id: invitation })).toBeNull();
    expect(await codesOf(email)).toEqual([]);
  });
});

describe('another address', () => {
  const change = (to: string, userId: string, userEpoch = 0): Promise<Letter | null> =>
    write({ template: 'change_email', to, userId, userEpoch });

  test('is verified by a code of the user who requested it', async () => {
    const [{ id }, to] = [await newUser(), stranger()];
    const letter = await change(to, id);
    expect(pageOf(letter)).toBe('/account/verify-email');
    expect(await findCode(ports.sql, 'change_email', letter?.link?.code ?? '')).toMatchObject({
      user_id: id,
      email: to,
    });
  });

  test('that belongs to another user gets a mail about the existing account, and the requester gets no code', async () => {
    const [one, other] = [await newUser(), await newUser()];
    const letter = await change(other.email, one.id);
    expect(letter?.subject).toBe('You already have an account');
    expect(await codesOf(other.email)).toEqual([{ purpose: 'reset_password', user_id: other.id }]);
  });

  test('gets no code if the user was deleted or disabled, or has ended all sessions since', async () => {
    const [disabled, ended] = [await newUser({ isDisabled: true }), await newUser()];
    await ports.raw`UPDATE users SET "tokenEpoch" = 1 WHERE id = ${ended.id}`;
    for (const userId of [randomUUID(), disabled.id, ended.id]) {
      const to = stranger();
      expect(await change(to, userId)).toBeNull();
      expect(await codesOf(to)).toEqual([]);
    }
  });
});

test('notifications carry no code, and name the provider or installation they concern', async () => {
  const to = stranger();
  const notifications: [MailRequest, string][] = [
    [{ template: 'password_changed', to }, 'every earlier session was ended.'],
    [{ template: 'factors_reset', to }, `your account at ${PUBLIC_URL}`],
    [{ template: 'email_changed', to }, 'another e-mail address'],
    [{ template: 'account_deleted', to }, 'were deleted'],
    [
      { template: 'account_linked', to, provider: 'company' },
      `can now sign in to your account at ${PUBLIC_URL} with company`,
    ],
    [
      { template: 'account_unlinked', to, provider: 'company' },
      `can no longer sign in to your account at ${PUBLIC_URL} with company`,
    ],
  ];
  for (const [mail, words] of notifications) {
    const letter = await write(mail);
    expect(letter?.paragraphs.join(' '), mail.template).toContain(words);
    expect(letter?.link, mail.template).toBeUndefined();
  }
  expect(await codesOf(to)).toEqual([]);
});
