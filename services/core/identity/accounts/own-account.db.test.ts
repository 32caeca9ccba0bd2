import { beforeEach, describe, expect, test } from 'vitest';
import { newEmail } from '#tools/testing/flows/flows.ts';
import { openSessionFor } from '#tools/testing/flows/signed-in.ts';
import { anonymous, openPeopledHarness } from '#tools/testing/harness/people.ts';
import { opened } from '#tools/testing/opened.ts';
import { outcomeOf } from '#tools/testing/outcome.ts';
import { overtaken } from '#tools/testing/overtaken.ts';
import { changeEmail } from './change-email.ts';
import { deleteAccount } from './delete-account.ts';
import { changeProfile, readProfile, updateProfile } from './update-profile.ts';

const harness = opened(openPeopledHarness);
beforeEach(() => harness.rows(`DELETE FROM user_roles WHERE role = 'admin'`));

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
    await harness.rows('DELETE FROM users WHERE id = $1', [user.id]);
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
    expect(await harness.rows(`SELECT reason FROM revocations WHERE kind = 'user' AND value = $1`, [user.id])).toEqual([
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
