import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { newEmail } from '#testing/flows/flows.ts';
import { logIn } from '#testing/flows/signed-in.ts';
import { nobody, openPeopledWorld, type PeopledWorld } from '#testing/harness/peopled-world.ts';
import { outcomeOf } from '#testing/outcome.ts';
import { overtaken } from '#testing/overtaken.ts';
import { changeEmail } from './change-email.ts';
import { deleteAccount } from './delete-account.ts';
import { changeProfile, readProfile, updateProfile } from './update-profile.ts';

let world: PeopledWorld;
beforeAll(async () => {
  world = await openPeopledWorld();
});
afterAll(() => world?.close());
beforeEach(() => world.rows(`DELETE FROM user_roles WHERE role = 'admin'`));

const image = 'https://people.test/ada.png';
const typesOf = async (id: string) => (await world.eventsOf(id)).map(({ type }) => type);

describe('the profile', () => {
  test('takes a name and a picture, and the event names the fields, not what they say', async () => {
    const user = await world.signedIn();
    const changed = await updateProfile(world.deps, { name: 'Countess', image }, user.caller);
    expect(changed.user).toMatchObject({ id: user.id, email: user.email, name: 'Countess', image });
    expect((await readProfile(world.deps, {}, user.caller)).user).toEqual(changed.user);
    expect(await world.eventsOf(user.id)).toContainEqual({
      type: 'user.profile_changed',
      outcome: 'ok',
      actor_kind: 'user',
      actor_id: user.id,
      detail: { fields: ['name', 'image'] },
    });
  });

  test('keeps what is not named, and null empties a field', async () => {
    const user = await world.signedIn();
    await updateProfile(world.deps, { name: 'Countess', image }, user.caller);
    expect((await updateProfile(world.deps, { name: null }, user.caller)).user).toMatchObject({ name: null, image });
    expect((await updateProfile(world.deps, { image: null }, user.caller)).user).toMatchObject({ image: null });
    expect(await world.accountOf(user.id)).toMatchObject({ name: null, image: null });
  });

  test('is in the session at once, though that was cached with the name of before', async () => {
    const user = await world.signedIn();
    const nameSeen = async () => (await world.deps.auth.findSession(user.cookie, true))?.user.name;
    expect(await nameSeen()).toBe('Ada');
    await updateProfile(world.deps, { name: 'Countess' }, user.caller);
    expect(await nameSeen()).toBe('Countess');
  });

  test('of no change is answered as it is, and nothing is recorded', async () => {
    const user = await world.signedIn();
    const before = await world.accountOf(user.id);
    expect((await updateProfile(world.deps, {}, user.caller)).user).toMatchObject({ name: 'Ada', image: null });
    expect(await world.accountOf(user.id)).toEqual(before);
    expect(await typesOf(user.id)).not.toContain('user.profile_changed');
  });

  test('of somebody who is gone is neither read nor changed: unauthenticated', async () => {
    const user = await world.signedIn();
    await world.rows('DELETE FROM users WHERE id = $1', [user.id]);
    const change = { name: 'Nobody' };
    const acts = [
      readProfile(world.deps, {}, user.caller),
      updateProfile(world.deps, change, user.caller),
      world.deps.transact((tx) => changeProfile(tx, world.deps, user.id, change, user.caller)),
    ];
    expect(await Promise.all(acts.map(outcomeOf))).toEqual(acts.map(() => 'unauthenticated'));
    expect(await typesOf(user.id)).not.toContain('user.profile_changed');
  });
});

describe('an account is changed by its owner alone', () => {
  const acts = {
    readProfile: (caller) => readProfile(world.deps, {}, caller),
    updateProfile: (caller) => updateProfile(world.deps, { name: 'Other' }, caller),
    changeEmail: (caller) => changeEmail(world.deps, { newEmail: newEmail() }, caller),
    deleteAccount: (caller) => deleteAccount(world.deps, {}, caller),
  } satisfies Record<string, (caller: typeof nobody) => Promise<unknown>>;

  test.each(Object.entries(acts))('%s: not by nobody, by another client or by an API key', async (_name, act) => {
    const user = await world.signedIn();
    const before = await world.accountOf(user.id);
    expect(await outcomeOf(act(nobody))).toBe('unauthenticated');
    expect(await outcomeOf(act({ ...user.caller, clientId: 'other-client' }))).toBe('permission_missing');
    expect(await outcomeOf(act({ ...user.caller, by: 'api_key' }))).toBe('permission_missing');
    expect(await world.accountOf(user.id)).toEqual(before);
    expect(await world.mailsTo(user.email)).toEqual([]);
  });
});

describe('another address', () => {
  test('is asked for by a mail to it, in its stored form; the account keeps its own until the code comes back', async () => {
    const user = await world.signedIn();
    const to = newEmail();
    const asked = await changeEmail(world.deps, { newEmail: to.toUpperCase() }, user.caller);
    expect(asked).toEqual({ status: 'verification_sent' });
    const { tokenEpoch: userEpoch } = (await world.accountOf(user.id)) as { tokenEpoch: number };
    expect(await world.mailsTo(to)).toMatchObject([{ template: 'change_email', userId: user.id, userEpoch }]);
    expect(await world.accountOf(user.id)).toMatchObject({ email: user.email });
  });

  test('that is of another account gets the same answer and the same mail', async () => {
    const [user, other] = [await world.signedIn(), await world.somebody()];
    const asked = await changeEmail(world.deps, { newEmail: other.email }, user.caller);
    expect(asked).toEqual({ status: 'verification_sent' });
    expect(await world.mailsTo(other.email)).toMatchObject([{ template: 'change_email', userId: user.id }]);
  });
});

describe('an account that its owner deletes', () => {
  test('goes with its sessions and tokens, and its address is told', async () => {
    const user = await world.signedIn();
    const second = await logIn({ ports: world.deps }, user.id);
    expect(await deleteAccount(world.deps, {}, user.caller)).toEqual({ success: true });
    expect(await world.accountOf(user.id)).toBeUndefined();
    for (const { cookie } of [user, second]) expect(await world.deps.auth.findSession(cookie, true)).toBeNull();
    expect(await world.mailsTo(user.email)).toMatchObject([{ template: 'account_deleted' }]);
    expect(await world.rows(`SELECT reason FROM revocations WHERE kind = 'user' AND value = $1`, [user.id])).toEqual([
      { reason: 'user_deleted' },
    ]);
    expect(await world.eventsOf(user.id)).toContainEqual(
      expect.objectContaining({ type: 'user.deleted', actor_id: user.id, detail: { reason: 'account_deleted' } }),
    );
  });

  test('is not that of the last administrator: last_admin, and no mail says otherwise', async () => {
    const user = await world.signedIn({ roles: ['admin'] });
    expect(await outcomeOf(deleteAccount(world.deps, {}, user.caller))).toBe('last_admin');
    expect([await world.sessionsOf(user.id), await world.mailsTo(user.email)]).toEqual([1, []]);
    await world.somebody({ roles: ['admin'] });
    expect(await outcomeOf(deleteAccount(world.deps, {}, user.caller))).toBe('ok');
  });

  test('stays where the session ends first, or was ended before: unauthenticated', async () => {
    const user = await world.signedIn();
    const remove = () => outcomeOf(deleteAccount(world.deps, {}, user.caller));
    const endAll = 'DELETE FROM sessions WHERE "userId" = $1';
    expect(await overtaken(world.pool, user.id, endAll, remove)).toBe('unauthenticated');
    expect(await remove()).toBe('unauthenticated');
    expect(await world.accountOf(user.id)).toMatchObject({ email: user.email });
    expect(await world.mailsTo(user.email)).toEqual([]);
  });
});
