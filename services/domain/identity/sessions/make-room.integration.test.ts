import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { readSession, signIn, signUp } from '../../../platform/testing/flows/identity-flows.ts';
import type { Json } from '../../../platform/testing/http-client.ts';
import { whileItWaits } from '../../../platform/testing/overtaken.ts';
import { testCaller } from '../../../platform/testing/ports.ts';
import { queryRows } from '../../../platform/testing/rows.ts';
import { createTestDatabase, type TestDatabase, testRedisUrl } from '../../../platform/testing/stores.ts';
import { type IdentityWorld, newPerson, startIdentityWorld } from '../../../platform/testing/worlds/identity-world.ts';
import { signIn as signInTo } from '../sign-in.ts';
import { makeRoom } from './make-room.ts';

vi.setConfig({ testTimeout: 180_000 });

const LIMIT = 3;

let database: TestDatabase;
let world: IdentityWorld;
beforeAll(async () => {
  database = await createTestDatabase();
  world = await startIdentityWorld({
    databaseUrl: database.url,
    redisUrl: testRedisUrl(),
    env: { SESSIONS_PER_ACCOUNT: String(LIMIT), REVOCATION_STALENESS_MS: '60000' },
  });
});
afterAll(async () => {
  await world?.close();
  await database?.drop();
});

const rows = (text: string, values: unknown[] = []) => queryRows<Json>(database.url, text, values);
const sessionsOf = async (userId: string): Promise<string[]> =>
  (await rows('SELECT id FROM sessions WHERE "userId" = $1 ORDER BY id', [userId])).map(({ id }) => id);
const idOf = ({ body }: { body: Json }): string => body.session.id;

/** Somebody with as many sessions as they may have, the one not used for longest first. */
async function atTheLimit() {
  const person = newPerson();
  const first = await signUp(world, person);
  const logins = [first];
  while (logins.length < LIMIT) logins.push(await signIn(world, person));
  const userId: string = first.body.user.id;
  const unused = (id: string, minutes: number) =>
    rows(
      `WITH s AS (UPDATE sessions SET "updatedAt" = now() - make_interval(mins => $2) WHERE id = $1)
       UPDATE refresh_families SET rotated_at = now() - make_interval(mins => $2) WHERE sid = $1`,
      [id, minutes],
    );
  for (const [n, login] of logins.entries()) await unused(idOf(login), LIMIT - n);
  return { person, userId, logins };
}

describe('an account with as many sessions as it may have', () => {
  test('signs in once more, and the session not used for longest ends with its logins and tokens', async () => {
    const { person, userId, logins } = await atTheLimit();
    const [oldest, middle, newest] = logins.map(idOf);
    // A refresh is a use, as the cookie of two factors is.
    await rows('UPDATE refresh_families SET rotated_at = now() WHERE sid = $1', [oldest]);
    const login = await signIn(world, person);
    expect(login.status).toBe(200);
    expect(await sessionsOf(userId)).toEqual([oldest, newest, idOf(login)].sort());
    expect((await readSession(world, logins[1]?.cookie ?? '')).status).toBe(401);
    expect((await readSession(world, logins[0]?.cookie ?? '')).status).toBe(200);
    expect(await rows('SELECT revoke_reason AS why FROM refresh_families WHERE sid = $1', [middle])).toEqual([
      { why: 'session_limit' },
    ]);
    expect(await rows(`SELECT reason FROM revocations WHERE kind = 'sid' AND value = $1`, [middle])).toEqual([
      { reason: 'session_limit' },
    ]);
    const ended = await rows(
      `SELECT actor_id, detail->>'reason' AS reason FROM audit_outbox WHERE type = 'session.ended' AND target_id = $1`,
      [middle],
    );
    expect(ended).toEqual([{ actor_id: userId, reason: 'session_limit' }]);
    await world.poll.announce();
    expect(world.revocations.isSessionEnded(String(middle))).toBe(true);
  });

  test('has no more after many sign-ins at once', async () => {
    const { person, userId } = await atTheLimit();
    const logins = await Promise.all(Array.from({ length: 8 }, () => signIn(world, person)));
    expect(logins.map(({ status }) => status)).toEqual(Array(8).fill(200));
    expect(await sessionsOf(userId)).toHaveLength(LIMIT);
  });

  test('loses none to a wrong password', async () => {
    const { person, userId, logins } = await atTheLimit();
    expect((await signIn(world, { ...person, password: 'wrong wrong wrong' })).status).toBe(401);
    expect(await sessionsOf(userId)).toEqual(logins.map(idOf).sort());
  });

  test('loses its own alone where a browser signs in again, and what ran out takes no place', async () => {
    const { person, userId, logins } = await atTheLimit();
    const [oldest, middle, newest] = logins.map(idOf);
    const again = await signIn(world, person, { cookie: logins[2]?.cookie ?? '' });
    expect(await sessionsOf(userId)).toEqual([oldest, middle, idOf(again)].sort());
    expect(
      await rows(
        `SELECT detail->>'reason' AS reason FROM audit_outbox WHERE type = 'session.ended' AND target_id = $1`,
        [newest],
      ),
    ).toEqual([{ reason: 'sign_in' }]);
    await rows(`UPDATE sessions SET "expiresAt" = now() - interval '1 second' WHERE id = $1`, [idOf(again)]);
    const last = await signIn(world, person);
    expect(await sessionsOf(userId)).toEqual([oldest, middle, idOf(again), idOf(last)].sort());
  });

  test('ends its browser’s own and the one not used for longest, where it had more than it may', async () => {
    const { person, userId, logins } = await atTheLimit();
    const [, middle, newest] = logins.map(idOf);
    const fewer = { ...world.deps, sessionsPerAccount: 2 };
    const { body } = await signInTo(fewer, { ...person, cookie: logins[2]?.cookie }, testCaller);
    expect(await sessionsOf(userId)).toEqual([middle, body.session.id].sort());
    const reasons = await rows(
      `SELECT target_id AS id, detail->>'reason' AS reason FROM audit_outbox WHERE type = 'session.ended' AND detail->>'user_id' = $1 ORDER BY id`,
      [userId],
    );
    expect(reasons).toEqual(
      expect.arrayContaining([
        { id: logins.map(idOf)[0], reason: 'session_limit' },
        { id: newest, reason: 'sign_in' },
      ]),
    );
  });

  test('keeps the session that was opened before room was made for it, however long ago that seems', async () => {
    const { userId, logins } = await atTheLimit();
    const [oldest, middle, newest] = logins.map(idOf);
    const arrival = { userId, replaced: null, openedId: String(oldest), reason: 'sign_in' };
    await world.deps.transact((tx) => makeRoom(tx, { ...world.deps, sessionsPerAccount: 2 }, arrival, testCaller));
    expect(await sessionsOf(userId)).toEqual([oldest, newest].sort());
    expect(middle).toBeDefined();
  });
});

test('without a limit an account has as many as it likes', async () => {
  const { person, userId } = await atTheLimit();
  await signInTo({ ...world.deps, sessionsPerAccount: 0 }, person, testCaller);
  expect(await sessionsOf(userId)).toHaveLength(LIMIT + 1);
});

test('a login that ends several sessions takes their families in id order: no batch of refreshes meets it in a deadlock', async () => {
  const { person, userId, logins } = await atTheLimit();
  const [oldest, middle] = logins.map(idOf);
  const [one, other] = await rows('SELECT id, sid FROM refresh_families WHERE sid = ANY ($1) ORDER BY id', [
    [oldest, middle],
  ]);
  // Of the lower session the higher family, and the other way round.
  const [low, high] = [oldest, middle].sort();
  await rows('UPDATE refresh_families SET sid = NULL WHERE id = ANY ($1)', [[one.id, other.id]]);
  await rows('UPDATE refresh_families SET sid = CASE WHEN id = $1 THEN $2 ELSE $3 END WHERE id = ANY ($4)', [
    one.id,
    high,
    low,
    [one.id, other.id],
  ]);
  const hold = 'SELECT FROM refresh_families WHERE id = $1 FOR NO KEY UPDATE NOWAIT';
  const { body } = await whileItWaits(
    world.pool,
    [[hold, [one.id]]],
    () => signInTo({ ...world.deps, sessionsPerAccount: 2 }, person, testCaller),
    (holder) => holder.query(hold, [other.id]),
  );
  expect(await sessionsOf(userId)).toHaveLength(2);
  expect(await sessionsOf(userId)).toContain(body.session.id);
});
