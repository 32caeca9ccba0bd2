import { describe, expect, test } from 'vitest';
import type { Caller } from '#services/core/ports.ts';
import { claimsIn } from '#tools/testing/flows/flows.ts';
import { admitted, TWO_FACTORS } from '#tools/testing/flows/signed-in.ts';
import { opened } from '#tools/testing/opened.ts';
import { userHeld, whileItWaits } from '#tools/testing/overtaken.ts';
import {
  anonymous,
  cookieOf,
  type FactorsHarness,
  type Holder,
  openFactorsHarness,
} from '../factors/factors-harness.ts';
import { stepUp } from '../factors/step-up.ts';
import { signIn } from '../sign-in/sign-in.ts';
import { signOut } from '../sign-in/sign-out.ts';
import { holdForRenewal } from './hold-for-renewal.ts';
import type { SignInAnswer } from './open-session.ts';
import { findByCookie } from './read-session.ts';

const harness = opened(openFactorsHarness);

const rows: FactorsHarness['rows'] = (...asked) => harness.rows(...asked);
type Named = Pick<Holder, 'email' | 'cookie'>;
const again = ({ email, cookie }: Named, deps = harness.deps) =>
  signIn(deps, { email, password: harness.password, cookie }, anonymous as Caller);
const sessionsOf = async (id: string): Promise<string[]> =>
  (await rows`SELECT id FROM sessions WHERE "userId" = ${id}`).map((row) => row.id);
const isLive = async (cookie: string): Promise<boolean> => (await findByCookie(harness.deps, cookie)) !== null;
const liveFamilies = async (sessionId: string): Promise<number> =>
  (await rows`SELECT 1 FROM refresh_families WHERE sid = ${sessionId} AND revoked_at IS NULL`).length;

/** Makes a session an hour old and adds the token family of an application. */
async function withApplication(): Promise<Holder & { readonly familyId: string }> {
  const person = await harness.person();
  await rows`UPDATE sessions SET "createdAt" = now() - interval '1 hour', "expiresAt" = now() + interval '1 day'
    WHERE id = ${person.sessionId}`;
  const [{ id }] =
    await rows`INSERT INTO refresh_families (id, nonce_hash, kv, prev_kv, client_id, client_bound, sid, user_id,
      user_epoch, client_epoch,
        scope, audience, auth_time, idle_expires_at, expires_at)
      SELECT gen_random_uuid(), nonce_hash, kv, prev_kv, 'an application', true, sid, user_id, user_epoch, client_epoch,
        'openid',
        audience, auth_time, idle_expires_at, now() + interval '1 day'
      FROM refresh_families WHERE sid = ${person.sessionId} RETURNING id`;
  return { ...person, familyId: id };
}

describe('a user who signs in again in the same browser', () => {
  test('keeps the session and the token families of applications, with a new cookie, time and lifetime', async () => {
    const person = await withApplication();
    const answer = await again(person);
    expect(answer.body.session.id).toBe(person.sessionId);
    expect(await sessionsOf(person.id)).toEqual([person.sessionId]);
    const { sid, auth_time } = claimsIn(answer.body.tokens.access_token) as { sid: string; auth_time: number };
    expect(sid).toBe(person.sessionId);
    const [row] = await rows`
      SELECT extract(epoch FROM "authenticatedAt")::int AS at, "createdAt" < now() - interval '59 minutes' AS "isOld",
      "expiresAt" > now() + interval '2 days' AS "isLonger" FROM sessions WHERE id = ${person.sessionId}`;
    expect(row).toMatchObject({ isOld: true, isLonger: true });
    expect(Math.abs(row.at - auth_time)).toBeLessThanOrEqual(1);
    expect([await isLive(person.cookie), await isLive(cookieOf(answer))]).toEqual([false, true]);
    expect((await harness.callerBy(cookieOf(answer))).authTime).toBe(auth_time);
    // From the cache, where the time is text.
    expect((await harness.callerBy(cookieOf(answer))).authTime).toBe(auth_time);
    const families =
      await rows`SELECT revoked_at IS NULL AS "isLive" FROM refresh_families WHERE id = ${person.familyId}`;
    expect(families).toEqual([{ isLive: true }]);
    expect(await rows`SELECT 1 FROM revocations WHERE kind = 'sid' AND value = ${person.sessionId}`).toEqual([]);
    const events = await rows`SELECT type, detail->>'reason' AS reason FROM audit_outbox
      WHERE target_id = ${person.sessionId} ORDER BY id`;
    expect(events.slice(1)).toEqual([{ type: 'session.renewed', reason: 'sign_in' }]);
  });

  test('has no use of the former cookie, even where Redis still has its session', async () => {
    const person = await harness.person();
    expect(await isLive(person.cookie)).toBe(true);
    const forgetsNothing = { ...harness.deps, auth: { ...harness.deps.auth, forget: async () => {} } };
    const answer = await again(person, forgetsNothing);
    expect([await isLive(person.cookie), await isLive(cookieOf(answer))]).toEqual([false, true]);
  });

  test('twice at once gets one session and one cookie, whichever response the browser takes last', async () => {
    const person = await withApplication();
    let other = again(person);
    await other;
    const { cookie } = { cookie: cookieOf(await other) };
    const first = await whileItWaits(
      harness.pool,
      [userHeld(person.id)],
      () => again({ ...person, cookie }),
      async (holder, waiting) => {
        other = again({ ...person, cookie });
        const [{ pid }] = (await holder.query('SELECT pg_backend_pid() AS pid')).rows;
        const blocked = 'SELECT 1 FROM pg_stat_activity WHERE pg_blocking_pids(pid) && $1::int[]';
        await expect
          .poll(async () => (await harness.pool.query(blocked, [[pid, waiting]])).rowCount, { timeout: 60_000 })
          .toBe(2);
      },
    );
    const second = await other;
    expect([first, second].map(({ body }) => body.session.id)).toEqual([person.sessionId, person.sessionId]);
    expect([await isLive(cookie), await isLive(cookieOf(first)), await isLive(cookieOf(second))]).toEqual([
      false,
      true,
      true,
    ]);
    expect(await sessionsOf(person.id)).toEqual([person.sessionId]);
    expect(await liveFamilies(person.sessionId)).toBe(2);
  });

  test('whose form was sent twice gets one session, also if the first sign-in ends before the second password is verified', async () => {
    const person = await withApplication();
    const { deps } = harness;
    let first: Promise<SignInAnswer> | undefined;
    const verify: typeof deps.hasher.verify = async (...given) => {
      first = again(person);
      await first;
      return deps.hasher.verify(...given);
    };
    const second = await again(person, { ...deps, hasher: { ...deps.hasher, verify } });
    expect(second.body.session.id).toBe(person.sessionId);
    expect(await sessionsOf(person.id)).toEqual([person.sessionId]);
    expect([await isLive(cookieOf((await first)!)), await isLive(cookieOf(second))]).toEqual([true, true]);
  });

  test('after a sign-out in another tab gets a new session: nothing of the former one comes back', async () => {
    const person = await withApplication();
    const signOutFirst = [['DELETE FROM sessions WHERE id = $1', [person.sessionId]]] as const;
    const { body } = await whileItWaits(harness.pool, signOutFirst, () => again(person));
    expect(body.session.id).not.toBe(person.sessionId);
    expect(await sessionsOf(person.id)).toEqual([body.session.id]);
    expect(await liveFamilies(person.sessionId)).toBe(0);
  });

  test('loses the session to a sign-out that waited for the sign-in', async () => {
    const person = await withApplication();
    let out: Promise<unknown> = Promise.resolve();
    const answer = await whileItWaits(
      harness.pool,
      [['SELECT 1 FROM sessions WHERE id = $1 FOR NO KEY UPDATE', [person.sessionId]]],
      () => again(person),
      async (_holder, waiting) => {
        out = signOut(harness.deps, {}, person.caller);
        const blocked = 'SELECT 1 FROM pg_stat_activity WHERE $1::int = ANY (pg_blocking_pids(pid))';
        await expect
          .poll(async () => (await harness.pool.query(blocked, [waiting])).rowCount, { timeout: 60_000 })
          .toBe(1);
      },
    );
    await out;
    expect(await sessionsOf(person.id)).not.toContain(person.sessionId);
    expect(answer.body.session.id).toBe(person.sessionId);
    expect([await isLive(cookieOf(answer)), await liveFamilies(person.sessionId)]).toEqual([false, 0]);
  });
});

test('a step-up by an access token renews the session of the token, and a cookie of another session changes nothing', async () => {
  const [person, other] = [await harness.person(), await harness.person()];
  const answer = await stepUp(harness.deps, { password: harness.password, cookie: other.cookie }, {
    ...person.caller,
    by: 'bearer',
  } as Caller);
  expect(answer.body.session.id).toBe(person.sessionId);
  expect([await isLive(person.cookie), await isLive(cookieOf(answer)), await isLive(other.cookie)]).toEqual([
    false,
    true,
    true,
  ]);
});

test('two factors shorten the session, and no token family outlives it', async () => {
  const person = await withApplication();
  const { deps } = harness;
  await deps.auth.transact(async (tx) => {
    const held = await holdForRenewal(tx, deps, { id: person.sessionId, userId: person.id, token: null });
    const admission = await admitted(tx, deps, person.id, TWO_FACTORS);
    const expiresAt = new Date(Date.now() + 60_000);
    await deps.auth.openSession({ admission, expiresAt, renews: held }, anonymous.request);
  });
  const lives = await rows`SELECT f.expires_at <= s."expiresAt" AS "isCovered", s.acr
    FROM refresh_families f JOIN sessions s ON s.id = f.sid WHERE f.sid = ${person.sessionId}`;
  expect(lives).toEqual([
    { isCovered: true, acr: 'aal2' },
    { isCovered: true, acr: 'aal2' },
  ]);
});
