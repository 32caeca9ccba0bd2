import { expect, test } from 'vitest';
import { readSession, signIn, signUp } from '#tools/testing/flows/identity-flows.ts';
import { openSessionFor } from '#tools/testing/flows/signed-in.ts';
import { type IdentityHarness, newPerson, openIdentityHarness } from '#tools/testing/harness/identity.ts';
import type { Json } from '#tools/testing/http-client.ts';
import { opened } from '#tools/testing/opened.ts';

const LIMIT = 3;

const harness = opened(() => openIdentityHarness({ env: { SESSIONS_PER_ACCOUNT: String(LIMIT) } }));

const rows: IdentityHarness['rows'] = (...asked) => harness.rows(...asked);
const sessionsOf = async (userId: string): Promise<string[]> =>
  (await rows`SELECT id FROM sessions WHERE "userId" = ${userId} ORDER BY id`).map(({ id }) => id);
const idOf = ({ body }: { body: Json }): string => body.session.id;

/** A user at the session limit; the session of the sign-up is unused for longest. */
async function atTheLimit() {
  const person = newPerson();
  const first = await signUp(harness, person);
  const userId: string = first.body.user.id;
  const later = [];
  while (later.length < LIMIT - 1) later.push(await openSessionFor({ ports: harness.deps }, userId));
  const past = `now() - interval '1 minute'`;
  await rows(
    `WITH s AS (UPDATE sessions SET "updatedAt" = ${past} WHERE id = $1)
     UPDATE refresh_families SET rotated_at = ${past} WHERE sid = $1`,
    [idOf(first)],
  );
  const ids = [idOf(first), ...later.map(({ sessionId }) => sessionId)];
  return { person, userId, ids, cookie: first.cookie };
}

test('a sign-in at the session limit ends the session unused for longest, recorded as an act of the user', async () => {
  const { person, userId, ids, cookie } = await atTheLimit();
  const [oldest, ...others] = ids;
  const signedIn = await signIn(harness, person);
  expect(signedIn.status).toBe(200);
  expect(await sessionsOf(userId)).toEqual([...others, idOf(signedIn)].sort());
  expect((await readSession(harness, cookie)).status).toBe(401);
  const ended = await rows`SELECT actor_id, detail->>'reason' AS reason FROM audit_outbox
    WHERE type = 'session.ended' AND target_id = ${oldest}`;
  expect(ended).toEqual([{ actor_id: userId, reason: 'session_limit' }]);
});

test('a browser that signs in again keeps its session and ends none, and neither does a wrong password', async () => {
  const { person, userId, ids, cookie } = await atTheLimit();
  expect((await signIn(harness, { ...person, password: 'wrong wrong wrong' })).status).toBe(401);
  expect(await sessionsOf(userId)).toEqual([...ids].sort());
  const again = await signIn(harness, person, { cookie });
  expect([idOf(again), await sessionsOf(userId)]).toEqual([ids[0], [...ids].sort()]);
});

test('many concurrent sign-ins leave no more sessions than the limit', async () => {
  const { person, userId } = await atTheLimit();
  const signIns = await Promise.all(Array.from({ length: 4 }, () => signIn(harness, person)));
  expect(signIns.map(({ status }) => status)).toEqual(Array(4).fill(200));
  expect(await sessionsOf(userId)).toHaveLength(LIMIT);
});
