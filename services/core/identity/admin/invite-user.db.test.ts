import { randomUUID } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { newEmail, newPassword } from '#tools/testing/flows/flows.ts';
import { openPeopledHarness } from '#tools/testing/harness/people.ts';
import { opened } from '#tools/testing/opened.ts';
import { outcomeOf } from '#tools/testing/outcome.ts';
import { createUser } from '../accounts/create-user.ts';
import type { NewInvitation } from '../contracts/invitation-contract.ts';
import { inviteAgain, inviteUser } from './invite-user.ts';

const reason = 'begins on Monday';
const invitationSeconds = 3_600;

const harness = opened(openPeopledHarness);

const ports = () => ({ ...harness.deps, invitationSeconds });
const invite = (given: Partial<NewInvitation> = {}, caller = harness.system) =>
  inviteUser(ports(), { email: newEmail(), reason, ...given }, caller);
const again = (userId: string, caller = harness.system) => inviteAgain(ports(), { user_id: userId, reason }, caller);
const invitationsOf = (id: string) =>
  harness.rows`SELECT id, roles, expires_at IS NULL AS endless FROM invitations WHERE user_id = ${id}`;
const idOf = async (email: string) => (await harness.rows`SELECT id FROM users WHERE email = ${email}`)[0]?.id;

describe('an invited user', () => {
  test('has an account without password, verified address or the pending roles, and a mail to the address', async () => {
    const email = newEmail();
    const view = await invite({
      email: email.toUpperCase(),
      name: 'Ada',
      roles: ['operator', 'auditor', 'auditor', 'user'],
    });
    const invited_roles = ['auditor', 'operator'];
    expect(view).toMatchObject({ email, name: 'Ada', email_verified_at: null, roles: ['user'], invited_roles });
    expect(await harness.rows`SELECT 1 FROM accounts WHERE "userId" = ${view.id}`).toEqual([]);
    expect(await harness.mailsTo(email)).toMatchObject([
      { template: 'invitation', userId: view.id, lifeSeconds: invitationSeconds },
    ]);
    const detail = { reason, roles: invited_roles };
    expect(await harness.eventsOf(view.id)).toContainEqual(expect.objectContaining({ type: 'user.invited', detail }));
  });

  test('gets the default role without name or roles', async () =>
    expect(await invite()).toMatchObject({ name: '', roles: ['user'], invited_roles: [] }));

  test('with an imported password gets the password and the roles at once, and a mail asks to verify the address', async () => {
    const email = newEmail();
    const view = await invite({ email, roles: ['auditor'], password_hash: harness.digest });
    expect(view).toMatchObject({ email_verified_at: null, roles: ['auditor', 'user'], invited_roles: [] });
    expect(await harness.isPasswordOf(view.id, harness.password)).toBe(true);
    expect(await harness.mailsTo(email)).toMatchObject([{ template: 'verify_email' }]);
    expect(await invitationsOf(view.id)).toMatchObject([{ roles: [], endless: true }]);
  });

  test.each([
    ['with an unknown format', 'a digest from elsewhere'],
    ['that would take seconds to verify', `$2b$31$${'a'.repeat(53)}`],
  ])('is rejected with a password hash %s: password_hash_unknown', async (_what, passwordHash) => {
    const email = newEmail();
    expect(await outcomeOf(invite({ email, password_hash: passwordHash }))).toBe('password_hash_unknown');
    expect(await idOf(email)).toBeUndefined();
  });

  test('is rejected if an account has the address: email_taken, and its owner gets no mail', async () => {
    const { email } = await harness.newUser();
    expect(await outcomeOf(invite({ email: email.toUpperCase() }))).toBe('email_taken');
    expect(await harness.mailsTo(email)).toEqual([]);
  });

  test('is rejected if the caller lacks a right of the roles: rights_exceeded, and no account is created', async () => {
    const by = await harness.signedIn({ roles: ['operator'] });
    const email = newEmail();
    expect(await outcomeOf(invite({ email, roles: ['admin'] }, by.caller))).toBe('rights_exceeded');
    expect(await outcomeOf(invite({ email, roles: ['admin'], password_hash: harness.digest }, by.caller))).toBe(
      'rights_exceeded',
    );
    expect(await idOf(email)).toBeUndefined();
    expect(await outcomeOf(invite({ email, roles: ['operator'] }, by.caller))).toBe('ok');
  });

  test('is rejected for an unknown role: role_unknown', async () => {
    const email = newEmail();
    expect(await outcomeOf(invite({ email, roles: ['auditor', 'emperor'] }))).toBe('role_unknown');
    expect(await idOf(email)).toBeUndefined();
  });

  test('concurrent invitations to one address create one account', async () => {
    const email = newEmail();
    const codes = await Promise.all([invite({ email }), invite({ email })].map(outcomeOf));
    expect(codes.sort()).toEqual(['email_taken', 'ok']);
    expect(await harness.mailsTo(email)).toHaveLength(1);
  });
});

describe('repeating an invitation', () => {
  test('replaces the previous one, whose code becomes invalid, and keeps its roles', async () => {
    const { id, email } = await invite({ roles: ['auditor'] });
    const [before] = await invitationsOf(id);
    await harness.codeFor('invitation', { id, email });
    expect(await again(id)).toMatchObject({ id, invited_roles: ['auditor'] });
    const after = await invitationsOf(id);
    expect(after).toMatchObject([{ roles: ['auditor'], endless: false }]);
    expect(after[0]?.id).not.toBe(before?.id);
    expect(await harness.rows`SELECT 1 FROM one_time_codes WHERE user_id = ${id}`).toEqual([]);
    expect(await harness.mailsTo(email)).toMatchObject([{ template: 'invitation' }, { template: 'invitation' }]);
  });

  test('keeps the invitation of an account with an imported password after its code has expired', async () => {
    const { id, email } = await invite({ roles: ['auditor'], password_hash: harness.digest });
    expect(await again(id)).toMatchObject({ roles: ['auditor', 'user'], invited_roles: [] });
    expect(await invitationsOf(id)).toMatchObject([{ roles: [], endless: true }]);
    expect((await harness.mailsTo(email)).map(({ template }) => template)).toEqual(['verify_email', 'invitation']);
  });

  test('is rejected for a verified or disabled account: invitation_over', async () => {
    const proven = await harness.newUser();
    const disabled = await invite();
    await harness.rows`UPDATE users SET "disabledAt" = now() WHERE id = ${disabled.id}`;
    for (const { id, email } of [proven, disabled]) {
      const before = await harness.mailsTo(email);
      expect(await outcomeOf(again(id))).toBe('invitation_over');
      expect(await harness.mailsTo(email)).toEqual(before);
    }
  });

  test('is rejected if the caller lacks the rights that it grants: rights_exceeded, and the previous one stays', async () => {
    const { id } = await invite({ roles: ['admin'] });
    const before = await invitationsOf(id);
    const by = await harness.signedIn({ roles: ['operator'] });
    expect(await outcomeOf(again(id, by.caller))).toBe('rights_exceeded');
    expect(await invitationsOf(id)).toEqual(before);
    const [holder, ordinary] = [await invite(), await invite()];
    await harness.rows`INSERT INTO user_roles (user_id, role) VALUES (${holder.id}, 'admin')`;
    expect(await outcomeOf(again(holder.id, by.caller)), 'roles it has').toBe('rights_exceeded');
    expect(await outcomeOf(again(ordinary.id, by.caller))).toBe('ok');
  });

  test('is rejected for an unknown user: user_unknown', async () =>
    expect(await outcomeOf(again(randomUUID()))).toBe('user_unknown'));
});

describe('creating an account from software', () => {
  test('stores the password, leaves the address unverified, opens no session, and queues a verification mail', async () => {
    const [email, password] = [newEmail(), newPassword()];
    const view = await createUser(harness.deps, { email: email.toUpperCase(), password }, harness.system);
    expect(view).toMatchObject({ email, emailVerified: false, name: '' });
    expect(await harness.isPasswordOf(view.id, password)).toBe(true);
    expect(await harness.sessionsOf(view.id)).toBe(0);
    expect(await harness.mailsTo(email)).toMatchObject([{ template: 'verify_email' }]);
  });

  test('is rejected if the address is taken: email_taken, and that account is unchanged', async () => {
    const { id, email } = await harness.newUser({ hasPassword: true });
    const given = { email, name: 'Eve', password: newPassword() };
    expect(await outcomeOf(createUser(harness.deps, given, harness.system))).toBe('email_taken');
    expect(await harness.accountOf(id)).toMatchObject({ name: 'Ada' });
    expect(await harness.isPasswordOf(id, harness.password)).toBe(true);
    expect(await harness.mailsTo(email)).toEqual([]);
  });

  test('is rejected with a non-ASCII address', async () => {
    const given = { email: `mar\u212a-${newEmail()}`, password: newPassword() };
    expect(await outcomeOf(createUser(harness.deps, given, harness.system))).toBe('request_invalid');
    expect(await harness.mailsTo(given.email)).toEqual([]);
  });

  test('is rejected with a disallowed password', async () => {
    const email = newEmail();
    const made = (password: string) => outcomeOf(createUser(harness.deps, { email, password }, harness.system));
    expect(await made('short')).toBe('password_too_short');
    expect(await made(`${email} and more`)).toMatch(/^password_/);
    expect(await idOf(email)).toBeUndefined();
  });
});
