import { randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import { isAppError } from '#services/platform/define/error.ts';
import { anonymous, openPeopledHarness } from '#tools/testing/harness/people.ts';
import { opened } from '#tools/testing/opened.ts';
import { UNNAMED } from '../users/assurance.ts';
import { admitCarriedSession, carryOverSession } from './carry-over-session.ts';

const harness = opened(openPeopledHarness);

const carry = (userId: string, sessionId: string | null = null) =>
  harness.deps.auth.transact(async (tx) => {
    const carried = {
      userId,
      assurance: UNNAMED,
      signedInAt: new Date(),
      former: null,
      cookie: undefined,
      legacySession: randomBytes(32),
      sessionOf: async () => sessionId,
      detail: { factor: 'legacy_session' },
    };
    const admission = await admitCarriedSession(tx, harness.deps, carried, anonymous);
    if (isAppError(admission)) throw admission;
    return carryOverSession(tx, harness.deps, carried, admission, anonymous);
  });

test('a session of a user who was deleted meanwhile is refused', () =>
  expect(carry('unknown')).rejects.toMatchObject({ code: 'login_refused' }));

test('a session that is another user’s is not continued', async () => {
  const [ada, grace] = [await harness.newUser(), await harness.newUser()];
  const theirs = await carry(grace.id);
  const own = await carry(ada.id, theirs.signedIn.session.id);
  expect(own).toMatchObject({ isNew: true, signedIn: { user: { id: ada.id } } });
});
