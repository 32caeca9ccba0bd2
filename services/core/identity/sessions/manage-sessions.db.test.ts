import { describe, expect, test } from 'vitest';
import type { Caller } from '#services/core/ports.ts';
import type { TestUser } from '#tools/testing/flows/flows.ts';
import { newSignedIn, openSessionFor, TWO_FACTORS } from '#tools/testing/flows/signed-in.ts';
import { openPeopleHarness, type PeopleHarness } from '#tools/testing/harness/people.ts';
import { testCaller } from '#tools/testing/harness/ports.ts';
import { opened, partOf } from '#tools/testing/opened.ts';
import { userCaller } from '../sign-in/finish-sign-in.ts';
import { endSession } from './end-session.ts';
import { endAnySession, endOwnSession, endOwnSessions, listOwnSessions, listSessions } from './manage-sessions.ts';
import { findByCookie, readSession, sessionCaller } from './read-session.ts';

const harness = opened(() => openPeopleHarness({ env: { SESSION_IDLE_TWO_FACTORS: '3600' } }));
const ports = partOf(() => harness.deps);

const request = { ip: '', userAgent: '', traceId: '', traceparent: '' };
const unknown = { code: 'session_unknown' };
const rows: PeopleHarness['rows'] = (...asked) => harness.rows(...asked);
const newPerson = (): Promise<TestUser> => newSignedIn({ ports, stores: { pools: { main: harness.pool } } });
const callerOf = ({ id, sessionId }: Pick<TestUser, 'id' | 'sessionId'>): Caller & { kind: 'user' } =>
  ({ ...userCaller(id, { request }), sessionId }) as Caller & { kind: 'user' };
const familiesOf = (sessionId: string) =>
  rows`SELECT revoked_at IS NULL AS "isLive", revoke_reason AS why FROM refresh_families WHERE sid = ${sessionId}`;
/** A user with this many sessions, a minute apart; newest first. */
async function personWith(sessions: number): Promise<{ person: TestUser; ids: string[] }> {
  const person = await newPerson();
  const ids = [person.sessionId];
  while (ids.length < sessions) ids.unshift((await openSessionFor({ ports }, person.id)).sessionId);
  for (const [minutes, id] of ids.entries())
    await rows`UPDATE sessions SET "createdAt" = now() - make_interval(mins => ${minutes}) WHERE id = ${id}`;
  return { person, ids };
}
/** Makes cookie and token families of the session unused for this time, and deletes its copy in Redis. */
async function rest({ sessionId }: { readonly sessionId: string }, minutes: number): Promise<void> {
  const [{ token }] =
    await rows`UPDATE sessions SET "updatedAt" = now() - make_interval(mins => ${minutes}) WHERE id = ${sessionId}
      RETURNING token`;
  await ports.auth.forget(token);
}

describe('a list of sessions', () => {
  test('contains the owner’s live sessions only, newest first, with their token families and no token', async () => {
    const { person, ids } = await personWith(3);
    await newPerson();
    await rows`UPDATE sessions SET "expiresAt" = now() - interval '1 second' WHERE id = ${ids[1]}`;
    const { sessions, next } = await listOwnSessions(ports, { limit: 10 }, callerOf(person));
    expect(next).toBeNull();
    expect(sessions.map(({ id, current }) => [id, current])).toEqual([
      [ids[0], false],
      [ids[2], true],
    ]);
    expect(sessions[0]).toMatchObject({
      user_id: person.id,
      ip_address: '203.0.113.9',
      user_agent: 'test/1',
      logins: [{ client_id: 'sallyport', scope: expect.any(String), family_id: expect.any(String) }],
    });
    const [{ token }] = await rows`SELECT token FROM sessions WHERE id = ${ids[0]}`;
    expect(JSON.stringify(sessions)).not.toContain(token);
  });

  test('continues after a page, and returns each session once', async () => {
    const { person, ids } = await personWith(5);
    const seen: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await listSessions(ports, { limit: 2, cursor, user_id: person.id });
      seen.push(...page.sessions.map(({ id }) => id));
      expect(page.sessions.length).toBeLessThanOrEqual(2);
      cursor = page.next ?? undefined;
    } while (cursor !== undefined);
    expect(seen).toEqual(ids);
    const refused = listSessions(ports, { limit: 2, cursor: 'made-up' });
    await expect(refused).rejects.toMatchObject({ code: 'cursor_invalid' });
  });

  test('of all users can be filtered by clients with live token families', async () => {
    const { person, ids } = await personWith(2);
    await rows`UPDATE refresh_families SET revoked_at = now(), revoke_reason = 'test' WHERE sid = ${ids[0]}`;
    const at = async (clientId?: string) =>
      (await listSessions(ports, { limit: 10, client_id: clientId, user_id: person.id })).sessions.map(({ id }) => id);
    expect([await at('sallyport'), await at('another')]).toEqual([[ids[1]], []]);
    const { sessions } = await listSessions(ports, { limit: 200 });
    expect(sessions.filter(({ id }) => ids.includes(id)).map(({ logins }) => logins.length)).toEqual([0, 1]);
    const ofAll = async (clientId: string) =>
      (await listSessions(ports, { limit: 200, client_id: clientId })).sessions.map(({ id }) => id);
    expect((await ofAll('sallyport')).filter((id) => ids.includes(id))).toEqual([ids[1]]);
    expect(await ofAll('another')).toEqual([]);
    // A client with many families is found the other way round, and the same.
    await rows`INSERT INTO refresh_families (id, idle_expires_at, expires_at, nonce_hash, kv, prev_kv, client_id,
      client_bound, user_id,
        user_epoch, client_epoch, scope, audience, auth_time, device)
      SELECT gen_random_uuid(), now(), now(), sha256('x'), 1, 1, 'sallyport', false, ${person.id}, 0, 0, 'openid', 'a',
        now(), '{}'
      FROM generate_series(1, 10000)`;
    expect((await ofAll('sallyport')).filter((id) => ids.includes(id))).toEqual([ids[1]]);
  });

  test('omits idle two-factor sessions, unless one of their token families is in use', async () => {
    const person = await newPerson();
    const [idle, used] = [
      await openSessionFor({ ports }, person.id, TWO_FACTORS),
      await openSessionFor({ ports }, person.id, TWO_FACTORS),
    ];
    for (const login of [person, idle, used]) await rest(login, 61);
    await rows`UPDATE refresh_families SET idle_expires_at = now() - interval '1 second' WHERE sid = ${idle.sessionId}`;
    const { sessions } = await listOwnSessions(ports, { limit: 10 }, callerOf(person));
    expect(sessions.map(({ id }) => id).sort()).toEqual([person.sessionId, used.sessionId].sort());
  });

  test('is refused to all callers but a user of the first-party client, and to API keys', async () => {
    const owner = callerOf(await newPerson());
    const others: [Caller, string][] = [
      [testCaller, 'permission_missing'],
      [{ ...owner, clientId: 'another' }, 'permission_missing'],
      [{ ...owner, by: 'api_key' }, 'api_key_not_accepted'],
    ];
    for (const [caller, code] of others) {
      await expect(listOwnSessions(ports, { limit: 10 }, caller)).rejects.toMatchObject({ code });
      const sessionId = owner.sessionId as string;
      await expect(endOwnSession(ports, { session_id: sessionId }, caller)).rejects.toMatchObject({ code });
    }
  });
});

describe('ending a session', () => {
  test('of the caller ends its token families and tokens too, with one event; other sessions stay', async () => {
    const person = await newPerson();
    const other = await openSessionFor({ ports }, person.id);
    await endOwnSession(ports, { session_id: other.sessionId }, callerOf(person));
    expect(await rows`SELECT id FROM sessions WHERE "userId" = ${person.id}`).toEqual([{ id: person.sessionId }]);
    expect(await familiesOf(other.sessionId)).toEqual([{ isLive: false, why: 'ended_by_user' }]);
    expect(await familiesOf(person.sessionId)).toEqual([{ isLive: true, why: null }]);
    expect(await rows`SELECT reason FROM revocations WHERE kind = 'sid' AND value = ${other.sessionId}`).toEqual([
      { reason: 'ended_by_user' },
    ]);
    const ended = `SELECT actor_id, detail->>'reason' AS reason FROM audit_outbox
      WHERE type = 'session.ended' AND target_id = $1`;
    expect(await rows(ended, [other.sessionId])).toEqual([{ actor_id: person.id, reason: 'ended_by_user' }]);
    await harness.poll.announce();
    expect(await findByCookie(ports, other.cookie)).toBeNull();
    expect((await readSession(ports, { cookie: person.cookie })).session.id).toBe(person.sessionId);
  });

  test('of another user gets the same answer as an unknown session: session_unknown', async () => {
    const [one, two] = [await newPerson(), await newPerson()];
    for (const sessionId of [two.sessionId, 'no-such-session'])
      await expect(endOwnSession(ports, { session_id: sessionId }, callerOf(one))).rejects.toMatchObject(unknown);
    expect(await familiesOf(two.sessionId)).toEqual([{ isLive: true, why: null }]);
  });

  test('all of the caller’s at once spares the current one if asked, and other users’', async () => {
    const [{ person, ids }, other] = [await personWith(3), await newPerson()];
    const left = async () => (await rows`SELECT id FROM sessions WHERE "userId" = ${person.id}`).map(({ id }) => id);
    await endOwnSessions(ports, { keepsCurrent: true }, callerOf(person));
    expect(await left()).toEqual([person.sessionId]);
    expect(await familiesOf(ids[0] as string)).toEqual([{ isLive: false, why: 'ended_by_user' }]);
    // A token without a session has no current one.
    await endOwnSessions(ports, { keepsCurrent: true }, { ...callerOf(person), sessionId: null });
    expect(await left()).toEqual([]);
    const { sessionId } = await openSessionFor({ ports }, person.id);
    await endOwnSessions(ports, { keepsCurrent: false }, callerOf({ id: person.id, sessionId }));
    expect(await left()).toEqual([]);
    expect(await familiesOf(other.sessionId)).toEqual([{ isLive: true, why: null }]);
  });

  test('of any user by an administrator records the reason; a second attempt finds no session', async () => {
    const person = await newPerson();
    const end = () => endAnySession(ports, { session_id: person.sessionId, reason: 'lost phone' }, testCaller);
    await end();
    expect(await rows`SELECT 1 FROM sessions WHERE id = ${person.sessionId}`).toEqual([]);
    expect(await familiesOf(person.sessionId)).toEqual([{ isLive: false, why: 'lost phone' }]);
    await expect(end()).rejects.toMatchObject(unknown);
  });

  test('that has already ended is not an error in endSession', async () => {
    const { sessionId } = await newPerson();
    for (const _ of ['first', 'again']) await endSession(ports, { sessionId, reason: 'test' }, testCaller);
    expect(await familiesOf(sessionId)).toEqual([{ isLive: false, why: 'test' }]);
  });
});

describe('a session by its cookie', () => {
  test('returns the user without the session token, and authenticates a caller with the rights of the user’s roles', async () => {
    const person = await newPerson();
    const { user, session } = await readSession(ports, { cookie: person.cookie });
    expect([user.id, session.id]).toEqual([person.id, person.sessionId]);
    expect(session).not.toHaveProperty('token');
    expect(await sessionCaller(ports, person.cookie, request)).toMatchObject({
      kind: 'user',
      userId: person.id,
      sessionId: person.sessionId,
      clientId: 'sallyport',
      by: 'session',
      roles: ['user'],
      acr: 'aal1',
      request,
    });
  });

  test('is rejected if the cookie is missing, has another name or is signed by another key: unauthenticated', async () => {
    const { cookie } = await newPerson();
    const forged = cookie.replace(/(session_token=[^.]+\.)[^;]+/, '$1AAAA');
    expect(forged).not.toBe(cookie);
    for (const sent of [undefined, 'theme=dark', forged]) {
      await expect(readSession(ports, { cookie: sent })).rejects.toMatchObject({ code: 'unauthenticated' });
      expect(await sessionCaller(ports, sent, request)).toBeNull();
    }
  });

  test('of a disabled user is rejected, even if cached', async () => {
    const { id, cookie } = await newPerson();
    await rows`UPDATE users SET "disabledAt" = now() WHERE id = ${id}`;
    await harness.poll.announce();
    expect(await sessionCaller(ports, cookie, request)).toBeNull();
  });

  test('with two factors records only reads that count as a use, and ends after an idle hour', async () => {
    const { id } = await newPerson();
    const login = await openSessionFor({ ports }, id, TWO_FACTORS);
    const isFresh = async (): Promise<boolean> =>
      (
        await rows`SELECT "updatedAt" > now() - interval '1 minute' AS fresh FROM sessions
          WHERE id = ${login.sessionId}`
      )[0].fresh;
    await rest(login, 30);
    expect(await sessionCaller(ports, login.cookie, request, false)).toMatchObject({ acr: 'aal2' });
    expect(await isFresh(), 'reading is not a use').toBe(false);
    expect(await sessionCaller(ports, login.cookie, request)).toMatchObject({ sessionId: login.sessionId });
    expect(await isFresh()).toBe(true);
    await rest(login, 61);
    for (const isUse of [false, true]) expect(await sessionCaller(ports, login.cookie, request, isUse)).toBeNull();
    expect(await isFresh(), 'an ended session is not used again').toBe(false);
  });
});
