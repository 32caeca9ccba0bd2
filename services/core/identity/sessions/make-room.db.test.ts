import { randomUUID } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { setAuditContext } from '#services/core/audit/audit-context.ts';
import { admitted, insertPerson, openSessionFor } from '#tools/testing/flows/signed-in.ts';
import { openPeopleHarness, type PeopleHarness } from '#tools/testing/harness/people.ts';
import { testCaller } from '#tools/testing/harness/ports.ts';
import { opened } from '#tools/testing/opened.ts';
import { whileItWaits } from '#tools/testing/overtaken.ts';
import { lockUser } from '../users/accounts.store.ts';
import type { LiveSession } from './live-session.ts';
import { makeRoom } from './make-room.ts';
import { findByCookie } from './read-session.ts';

const LIMIT = 3;
const harness = opened(() => openPeopleHarness({ env: { SESSIONS_PER_ACCOUNT: String(LIMIT) } }));

const rows: PeopleHarness['rows'] = (...asked) => harness.rows(...asked);
type SignedIn = Awaited<ReturnType<typeof openSessionFor>>;
const sessionsOf = async (userId: string): Promise<string[]> =>
  (await rows`SELECT id FROM sessions WHERE "userId" = ${userId} ORDER BY id`).map(({ id }) => id);
const sorted = (signIns: readonly (SignedIn | undefined)[]): unknown[] =>
  signIns.map((signedIn) => signedIn?.sessionId).sort();
const live = async (signedIn: SignedIn | undefined): Promise<LiveSession> =>
  (await findByCookie(harness.deps, signedIn?.cookie)) as LiveSession;
const endingsOf = (userId: string) =>
  rows`SELECT target_id AS id, detail->>'reason' AS reason FROM audit_outbox
    WHERE type = 'session.ended' AND detail->>'user_id' = ${userId} ORDER BY id`;

/** A user at the session limit; the session unused for longest comes first. */
async function atTheLimit() {
  const userId = await insertPerson({ stores: { pools: { main: harness.pool } } }, `${randomUUID()}@people.test`);
  const signIns: SignedIn[] = [];
  for (let n = 0; n < LIMIT; n += 1) {
    const signedIn = await openSessionFor({ ports: harness.deps }, userId);
    await rows(
      `WITH s AS (UPDATE sessions SET "updatedAt" = now() - make_interval(mins => $2) WHERE id = $1)
       UPDATE refresh_families SET rotated_at = now() - make_interval(mins => $2) WHERE sid = $1`,
      [signedIn.sessionId, LIMIT - n],
    );
    signIns.push(signedIn);
  }
  return { userId, signIns };
}
type Arrival = { readonly former?: LiveSession; readonly limit?: number };
const arrive = (userId: string, { limit = LIMIT, former }: Arrival = {}) =>
  harness.deps.transact(async (tx) => {
    await setAuditContext(tx, testCaller, 'sign_in');
    await lockUser(tx, userId);
    const ports = { ...harness.deps, sessionsPerAccount: limit };
    return makeRoom(tx, ports, { userId, former: former ?? null, reason: 'sign_in' }, testCaller);
  });

describe('an account at the session limit', () => {
  test('loses the session whose cookie and token families were unused for longest, with its families and tokens', async () => {
    const { userId, signIns } = await atTheLimit();
    const [oldest, middle, newest] = signIns;
    await rows`UPDATE refresh_families SET rotated_at = now() WHERE sid = ${oldest?.sessionId}`;
    await arrive(userId);
    expect(await sessionsOf(userId)).toEqual(sorted([oldest, newest]));
    expect(await rows`SELECT revoke_reason AS why FROM refresh_families WHERE sid = ${middle?.sessionId}`).toEqual([
      { why: 'session_limit' },
    ]);
    expect(await endingsOf(userId)).toEqual([{ id: middle?.sessionId, reason: 'session_limit' }]);
    expect(await rows`SELECT reason FROM revocations WHERE kind = 'sid' AND value = ${middle?.sessionId}`).toEqual([
      { reason: 'session_limit' },
    ]);
    await harness.poll.announce();
    expect(await findByCookie(harness.deps, middle?.cookie)).toBeNull();
  });

  test('loses no session when one of its browsers signs in again: its session is renewed', async () => {
    const { userId, signIns } = await atTheLimit();
    const former = await live(signIns[2]);
    const { id, token } = former.session;
    expect(await arrive(userId, { former })).toEqual({ id, token });
    expect(await sessionsOf(userId)).toEqual(sorted(signIns));
    expect(await endingsOf(userId)).toEqual([]);
  });

  test('above the limit loses the excess and keeps the renewed session, even if it was unused for longest', async () => {
    const { userId, signIns } = await atTheLimit();
    const [oldest, middle, newest] = signIns;
    const former = await live(oldest);
    expect(await arrive(userId, { former, limit: 2 })).toMatchObject({ id: oldest?.sessionId });
    expect(await sessionsOf(userId)).toEqual(sorted([oldest, newest]));
    expect(await endingsOf(userId)).toEqual([{ id: middle?.sessionId, reason: 'session_limit' }]);
  });

  test('loses the session unused for longest, and the other user whose browser it takes over loses that session', async () => {
    const [one, other] = [await atTheLimit(), await atTheLimit()];
    const former = await live(other.signIns[2]);
    expect(await arrive(one.userId, { former })).toBeNull();
    expect(await endingsOf(one.userId)).toEqual([{ id: one.signIns[0]?.sessionId, reason: 'session_limit' }]);
    expect(await endingsOf(other.userId)).toEqual([{ id: former.session.id, reason: 'sign_in' }]);
  });

  test('loses no session if one has expired, or without a limit', async () => {
    const { userId, signIns } = await atTheLimit();
    await arrive(userId, { limit: 0 });
    expect(await sessionsOf(userId)).toEqual(sorted(signIns));
    await rows`UPDATE sessions SET "expiresAt" = now() - interval '1 second' WHERE id = ${signIns[2]?.sessionId}`;
    await arrive(userId);
    expect(await sessionsOf(userId)).toEqual(sorted(signIns));
    expect(await endingsOf(userId)).toEqual([]);
  });

  test('loses one session for each of two concurrent sign-ins', async () => {
    const { userId, signIns } = await atTheLimit();
    const signIn = () =>
      harness.deps.auth.transact(async (tx) => {
        await lockUser(tx, userId);
        await makeRoom(tx, harness.deps, { userId, former: null, reason: 'sign_in' }, testCaller);
        return harness.deps.auth.openSession(
          { admission: await admitted(tx, harness.deps, userId) },
          testCaller.request,
        );
      });
    const opened = await Promise.all([signIn(), signIn()]);
    expect(await sessionsOf(userId)).toEqual(
      [signIns[2]?.sessionId, ...opened.map(({ session }) => session.id)].sort(),
    );
  });

  test('locks the families of all ended sessions in id order, without deadlock with refresh batches', async () => {
    const { userId, signIns } = await atTheLimit();
    const [oldest, middle, newest] = signIns.map(({ sessionId }) => sessionId);
    const families = 'SELECT id FROM refresh_families WHERE sid = ANY ($1) ORDER BY id';
    const [one, other] = (await rows(families, [[oldest, middle]])).map(({ id }) => id);
    // The session with the lower id has the family with the higher id, and the reverse.
    const [low, high] = [oldest, middle].sort();
    await rows`UPDATE refresh_families SET sid = NULL WHERE id = ANY (${[one, other]})`;
    await rows`UPDATE refresh_families SET sid = CASE WHEN id = ${one} THEN ${high} ELSE ${low} END
      WHERE id = ANY (${[one, other]})`;
    const hold = 'SELECT FROM refresh_families WHERE id = $1 FOR NO KEY UPDATE NOWAIT';
    await whileItWaits(
      harness.pool,
      [[hold, [one]]],
      () => arrive(userId, { limit: 2 }),
      (holder) => holder.query(hold, [other]),
    );
    expect(await sessionsOf(userId)).toEqual([newest]);
  });
});
