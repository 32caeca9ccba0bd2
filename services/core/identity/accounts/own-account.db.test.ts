import { beforeEach, describe, expect, test } from 'vitest';
import type { Caller } from '#services/core/ports.ts';
import { newEmail, newPassword } from '#tools/testing/flows/flows.ts';
import { openSessionFor } from '#tools/testing/flows/signed-in.ts';
import { anonymous, openPeopledHarness } from '#tools/testing/harness/people.ts';
import { opened } from '#tools/testing/opened.ts';
import { outcomeOf } from '#tools/testing/outcome.ts';
import { cutOff, overtaken, userHeld, whileItWaits } from '#tools/testing/overtaken.ts';
import { inviteAgain } from '../admin/invite-user.ts';
import { accountKeyOf } from '../sign-in/sign-in-counters.ts';
import { changeEmail } from './change-email.ts';
import { changePassword } from './change-password.ts';
import { deleteAccount } from './delete-account.ts';
import { acceptInvitation, resetPassword } from './password-by-code.ts';
import { unlockAccount } from './unlock-account.ts';
import { changeProfile, readProfile, updateProfile } from './update-profile.ts';
import { verifyEmail } from './verify-email.ts';

const harness = opened(openPeopledHarness);

const person = ({ hasPassword = true } = {}) => harness.signedIn({ hasPassword, isVerified: false });

describe('while a concurrent sign-in upgrades the digest that was read', () => {
  const upgradeOf = ({ id }: { readonly id: string }) =>
    ['SELECT account_password_upgrade($1, $2, $3)', [id, harness.digest, 'a stronger digest']] as const;

  test('a password reset takes effect', async () => {
    const user = await person();
    const token = await harness.codeFor('reset_password', user);
    const newOne = newPassword();
    const reset = () => resetPassword(harness.deps, { token, newPassword: newOne }, anonymous);
    expect(await whileItWaits(harness.pool, [upgradeOf(user)], reset)).toEqual({ status: 'password_reset' });
    expect(await harness.isPasswordOf(user.id, newOne)).toBe(true);
  });

  test('a password change takes effect, for a user without a name', async () => {
    const user = await person();
    await harness.rows`UPDATE users SET name = NULL WHERE id = ${user.id}`;
    const caller = await harness.callerOf(user);
    const newOne = newPassword();
    const change = () =>
      changePassword(harness.deps, { currentPassword: harness.password, newPassword: newOne }, caller);
    expect((await whileItWaits(harness.pool, [upgradeOf(user)], change)).body.user).toMatchObject({
      id: user.id,
      name: null,
    });
    expect(await harness.isPasswordOf(user.id, newOne)).toBe(true);
  });
});

describe('a password row deleted by hand while a new password is being set', () => {
  const deletionOf = ({ id }: { readonly id: string }) => ['DELETE FROM accounts WHERE "userId" = $1', [id]] as const;
  const NOTHING_REPLACED = 'a required value is missing';

  test('rolls back a password change: the session stays and no mail is sent', async () => {
    const user = await person();
    const caller = await harness.callerOf(user);
    const change = () =>
      changePassword(harness.deps, { currentPassword: harness.password, newPassword: newPassword() }, caller);
    const mails = () => harness.rows`SELECT count(*)::int FROM mail_outbox`;
    const before = await mails();
    await expect(whileItWaits(harness.pool, [deletionOf(user)], change)).rejects.toThrow(NOTHING_REPLACED);
    expect(await mails()).toEqual(before);
    expect(await harness.callerOf(user)).toEqual(caller);
  });

  test('rolls back a password reset, and its code stays valid', async () => {
    const user = await person();
    const token = await harness.codeFor('reset_password', user);
    const newOne = newPassword();
    const reset = () => resetPassword(harness.deps, { token, newPassword: newOne }, anonymous);
    await expect(whileItWaits(harness.pool, [deletionOf(user)], reset)).rejects.toThrow(NOTHING_REPLACED);
    expect(await reset()).toEqual({ status: 'password_reset' });
    expect(await harness.isPasswordOf(user.id, newOne)).toBe(true);
  });
});

describe('a user whose session ends during a request, or who has none', () => {
  test('changes nothing', async () => {
    const user = await person({ hasPassword: false });
    const caller = await harness.callerOf(user);
    const change = (by: Caller) => () => outcomeOf(changeEmail(harness.deps, { newEmail: newEmail() }, by));
    const mails = async () => (await harness.rows`SELECT count(*)::int FROM mail_outbox`)[0];
    const before = await mails();
    expect(await change({ ...caller, sessionId: null })()).toBe('unauthenticated');
    const endAll = 'DELETE FROM sessions WHERE "userId" = $1';
    expect(await overtaken(harness.pool, user.id, endAll, change(caller))).toBe('unauthenticated');
    expect(await mails()).toEqual(before);
  });

  test('a token of a deleted account reads no profile', async () => {
    const user = await person({ hasPassword: false });
    const caller = await harness.callerOf(user);
    await harness.rows`DELETE FROM users WHERE id = ${user.id}`;
    expect(await outcomeOf(readProfile(harness.deps, {}, caller))).toBe('unauthenticated');
  });
});

describe('a code that verifies an address', () => {
  const verify = (token: string, given: object) => () =>
    outcomeOf(verifyEmail(harness.deps, { token, ...given }, anonymous));

  test('is rejected if the session sent with it ends first, or the address is verified by other means', async () => {
    const [signedOut, proved] = [await person({ hasPassword: false }), await person({ hasPassword: false })];
    const first = verify(await harness.codeFor('verify_email', signedOut), signedOut);
    const endAll = 'DELETE FROM sessions WHERE "userId" = $1';
    expect(await overtaken(harness.pool, signedOut.id, endAll, first)).toBe('code_invalid');
    expect(await harness.accountOf(signedOut.id)).toMatchObject({ emailVerified: null });
    const second = verify(await harness.codeFor('verify_email', proved), proved);
    const prove = `UPDATE users SET "emailVerified" = '2026-01-01Z' WHERE id = $1`;
    expect(await overtaken(harness.pool, proved.id, prove, second)).toBe('code_invalid');
    expect(await harness.accountOf(proved.id)).toMatchObject({ emailVerified: new Date('2026-01-01Z') });
  });

  test.each(['verify_email', 'change_email'] as const)(
    '%s: is accepted with a password whose digest a concurrent sign-in upgrades',
    async (purpose) => {
      const user = await person();
      const email = purpose === 'change_email' ? newEmail() : user.email;
      const ask = verify(await harness.codeFor(purpose, { id: user.id, email }), { password: harness.password });
      const upgrade = [
        'SELECT account_password_upgrade($1, $2, $3)',
        [user.id, harness.digest, 'a stronger digest'],
      ] as const;
      expect(await whileItWaits(harness.pool, [userHeld(user.id), upgrade], ask)).toBe('ok');
      expect(await harness.accountOf(user.id)).toMatchObject({ email, emailVerified: expect.any(Date) });
    },
  );

  test('is rejected if the password is removed or replaced after it was verified', async () => {
    const take = 'DELETE FROM accounts WHERE "userId" = $1';
    const set = `INSERT INTO accounts (id, "accountId", "providerId", "userId", password) VALUES ($1, $1, 'credential', $1, 'x')`;
    for (const changes of [[take], [take, set], [`UPDATE accounts SET password = 'x' WHERE "userId" = $1`]]) {
      const user = await person();
      const ask = verify(await harness.codeFor('verify_email', user), { password: harness.password });
      const held = changes.map((text) => [text, [user.id]] as const);
      expect(await whileItWaits(harness.pool, [userHeld(user.id), ...held], ask)).toBe('code_invalid');
      expect(await harness.accountOf(user.id)).toMatchObject({ emailVerified: null });
    }
  });

  test('of a sign-up does not claim an account that had the address and is deleted or changes it in the meantime', async () => {
    for (const change of ['DELETE FROM users WHERE id = $1', `UPDATE users SET email = id || '@x' WHERE id = $1`]) {
      const other = await person();
      const token = await harness.codeFor('sign_up', { id: null, email: other.email });
      const taken = verify(token, { password: newPassword() });
      const code = await whileItWaits(harness.pool, [userHeld(other.id)], taken, (holder) =>
        holder.query(change, [other.id]),
      );
      expect(code).toBe('code_invalid');
      expect(await harness.rows`SELECT 1 FROM users WHERE email = ${other.email}`).toEqual([]);
      const ways = await harness.rows`SELECT password FROM accounts WHERE "userId" = ${other.id}`;
      expect(ways).toEqual(change.startsWith('DELETE') ? [] : [{ password: harness.digest }]);
    }
  });

  test('stays valid after a 503 because the database failed halfway', async () => {
    const user = await person({ hasPassword: false });
    const ask = verify(await harness.codeFor('verify_email', user), user);
    expect(await cutOff(harness.pool, user.id, ask)).toBe('store_unavailable');
    // After a lost connection, nothing is written before the next poll.
    await harness.poll.wake();
    expect(await harness.accountOf(user.id)).toMatchObject({ emailVerified: null });
    expect(await ask()).toBe('ok');
    expect(await harness.accountOf(user.id)).toMatchObject({ emailVerified: expect.any(Date) });
  });
});

describe('invitations', () => {
  async function invited() {
    const { id, email } = await harness.newUser({ isVerified: false });
    await harness.rows`INSERT INTO invitations (id, user_id, roles) VALUES (gen_random_uuid(), ${id}, '{operator}')`;
    return { id, token: await harness.codeFor('invitation', { id, email }) };
  }
  const accept = (token: string) => () =>
    acceptInvitation(harness.deps, { token, newPassword: newPassword() }, anonymous);
  const rolesOf = async (id: string) => (await harness.accountOf(id))?.roles;

  test('do not grant a role that is removed from them while they are being accepted', async () => {
    const { id, token } = await invited();
    const takeOut = `UPDATE invitations SET roles = '{}' WHERE user_id = $1`;
    expect(await overtaken(harness.pool, id, takeOut, accept(token))).toEqual({ status: 'invitation_accepted' });
    expect(await rolesOf(id)).toEqual(['user']);
  });

  test('that were deleted grant no role: their code only sets a password', async () => {
    const { id, token } = await invited();
    await harness.rows`DELETE FROM invitations WHERE user_id = ${id}`;
    expect(await accept(token)()).toEqual({ status: 'invitation_accepted' });
    expect(await rolesOf(id)).toEqual(['user']);
  });

  test('can be sent to a user who signed up without verifying the address, without roles', async () => {
    const user = await person();
    const again = await inviteAgain(
      { ...harness.deps, invitationSeconds: 600 },
      { user_id: user.id, reason: 'never got the mail' },
      harness.system,
    );
    expect(again).toMatchObject({ id: user.id });
    expect(await harness.rows`SELECT roles FROM invitations WHERE user_id = ${user.id}`).toEqual([{ roles: [] }]);
  });
});

test('an unlock code succeeds for an account already unlocked, and reports no cleared failures', async () => {
  const user = await person();
  const token = await harness.codeFor('unlock_account', user);
  const key = accountKeyOf(harness.deps, user.email);
  expect(await harness.rows`SELECT 1 FROM login_failures WHERE key = ${key}`).toEqual([]);
  expect((await unlockAccount(harness.deps, { token }, anonymous)).body).toEqual({ status: 'unlocked' });
  const events =
    await harness.rows`SELECT detail FROM audit_outbox WHERE type = 'user.unlocked' AND target_id = ${user.id}`;
  expect(events).toEqual([{ detail: expect.objectContaining({ failures: 0, reason: 'mailed_code' }) }]);
});

beforeEach(() => harness.rows`DELETE FROM user_roles WHERE role = 'admin'`);

const image = 'https://people.test/ada.png';
const typesOf = async (id: string) => (await harness.eventsOf(id)).map(({ type }) => type);

describe('the profile', () => {
  test('stores name and picture; the event names the fields, not their values', async () => {
    const user = await harness.signedIn();
    const changed = await updateProfile(harness.deps, { name: 'Countess', image }, user.caller);
    expect(changed.user).toMatchObject({ id: user.id, email: user.email, name: 'Countess', image });
    expect((await readProfile(harness.deps, {}, user.caller)).user).toEqual(changed.user);
    expect(await harness.eventsOf(user.id)).toContainEqual({
      type: 'user.profile_changed',
      outcome: 'ok',
      actor_kind: 'user',
      actor_id: user.id,
      detail: { fields: ['name', 'image'] },
    });
  });

  test('keeps fields that are not sent, and null clears a field', async () => {
    const user = await harness.signedIn();
    await updateProfile(harness.deps, { name: 'Countess', image }, user.caller);
    expect((await updateProfile(harness.deps, { name: null }, user.caller)).user).toMatchObject({ name: null, image });
    expect((await updateProfile(harness.deps, { image: null }, user.caller)).user).toMatchObject({ image: null });
    expect(await harness.accountOf(user.id)).toMatchObject({ name: null, image: null });
  });

  test('is visible in the session at once, although the session was cached with the old name', async () => {
    const user = await harness.signedIn();
    const nameSeen = async () => (await harness.deps.auth.findSession(user.cookie, true))?.user.name;
    expect(await nameSeen()).toBe('Ada');
    await updateProfile(harness.deps, { name: 'Countess' }, user.caller);
    expect(await nameSeen()).toBe('Countess');
  });

  test('without a change is returned unchanged, and no event is written', async () => {
    const user = await harness.signedIn();
    const before = await harness.accountOf(user.id);
    expect((await updateProfile(harness.deps, {}, user.caller)).user).toMatchObject({ name: 'Ada', image: null });
    expect(await harness.accountOf(user.id)).toEqual(before);
    expect(await typesOf(user.id)).not.toContain('user.profile_changed');
  });

  test('of a deleted user can be neither read nor changed: unauthenticated', async () => {
    const user = await harness.signedIn();
    await harness.rows`DELETE FROM users WHERE id = ${user.id}`;
    const change = { name: 'Ghost' };
    const acts = [
      readProfile(harness.deps, {}, user.caller),
      updateProfile(harness.deps, change, user.caller),
      harness.deps.transact((tx) => changeProfile(tx, harness.deps, user.id, change, user.caller)),
    ];
    expect(await Promise.all(acts.map(outcomeOf))).toEqual(acts.map(() => 'unauthenticated'));
    expect(await typesOf(user.id)).not.toContain('user.profile_changed');
  });
});

describe('only its owner changes an account', () => {
  const acts = {
    readProfile: (caller) => readProfile(harness.deps, {}, caller),
    updateProfile: (caller) => updateProfile(harness.deps, { name: 'Other' }, caller),
    changeEmail: (caller) => changeEmail(harness.deps, { newEmail: newEmail() }, caller),
    deleteAccount: (caller) => deleteAccount(harness.deps, {}, caller),
  } satisfies Record<string, (caller: typeof anonymous) => Promise<unknown>>;

  test.each(Object.entries(acts))(
    '%s: is refused without a user, and for another client or an API key',
    async (_name, act) => {
      const user = await harness.signedIn();
      const before = await harness.accountOf(user.id);
      expect(await outcomeOf(act(anonymous))).toBe('unauthenticated');
      expect(await outcomeOf(act({ ...user.caller, clientId: 'other-client' }))).toBe('permission_missing');
      expect(await outcomeOf(act({ ...user.caller, by: 'api_key' }))).toBe('api_key_not_accepted');
      expect(await harness.accountOf(user.id)).toEqual(before);
      expect(await harness.mailsTo(user.email)).toEqual([]);
    },
  );
});

describe('a new address', () => {
  test('is requested by a mail to it, in normalised form; the account keeps its address until the code is redeemed', async () => {
    const user = await harness.signedIn();
    const to = newEmail();
    const asked = await changeEmail(harness.deps, { newEmail: to.toUpperCase() }, user.caller);
    expect(asked).toEqual({ status: 'verification_sent' });
    const { tokenEpoch: userEpoch } = (await harness.accountOf(user.id)) as { tokenEpoch: number };
    expect(await harness.mailsTo(to)).toMatchObject([{ template: 'change_email', userId: user.id, userEpoch }]);
    expect(await harness.accountOf(user.id)).toMatchObject({ email: user.email });
  });

  test('of another account gets the same response and queues the same mail', async () => {
    const [user, other] = [await harness.signedIn(), await harness.newUser()];
    const asked = await changeEmail(harness.deps, { newEmail: other.email }, user.caller);
    expect(asked).toEqual({ status: 'verification_sent' });
    expect(await harness.mailsTo(other.email)).toMatchObject([{ template: 'change_email', userId: user.id }]);
  });
});

describe('an account deleted by its owner', () => {
  test('loses its sessions and tokens, and a mail notifies its address', async () => {
    const user = await harness.signedIn();
    const second = await openSessionFor({ ports: harness.deps }, user.id);
    expect(await deleteAccount(harness.deps, {}, user.caller)).toEqual({ success: true });
    expect(await harness.accountOf(user.id)).toBeUndefined();
    for (const { cookie } of [user, second]) expect(await harness.deps.auth.findSession(cookie, true)).toBeNull();
    expect(await harness.mailsTo(user.email)).toMatchObject([{ template: 'account_deleted' }]);
    expect(await harness.rows`SELECT reason FROM revocations WHERE kind = 'user' AND value = ${user.id}`).toEqual([
      { reason: 'user_deleted' },
    ]);
    expect(await harness.eventsOf(user.id)).toContainEqual(
      expect.objectContaining({ type: 'user.deleted', actor_id: user.id, detail: { reason: 'account_deleted' } }),
    );
  });

  test('is refused for the last administrator: last_admin, and no mail is sent', async () => {
    const user = await harness.signedIn({ roles: ['admin'] });
    expect(await outcomeOf(deleteAccount(harness.deps, {}, user.caller))).toBe('last_admin');
    expect([await harness.sessionsOf(user.id), await harness.mailsTo(user.email)]).toEqual([1, []]);
    await harness.newUser({ roles: ['admin'] });
    expect(await outcomeOf(deleteAccount(harness.deps, {}, user.caller))).toBe('ok');
  });

  test('stays if the session ended before or during the request: unauthenticated', async () => {
    const user = await harness.signedIn();
    const remove = () => outcomeOf(deleteAccount(harness.deps, {}, user.caller));
    const endAll = 'DELETE FROM sessions WHERE "userId" = $1';
    expect(await overtaken(harness.pool, user.id, endAll, remove)).toBe('unauthenticated');
    expect(await remove()).toBe('unauthenticated');
    expect(await harness.accountOf(user.id)).toMatchObject({ email: user.email });
    expect(await harness.mailsTo(user.email)).toEqual([]);
  });
});
