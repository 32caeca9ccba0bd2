import { Redis } from 'ioredis';
import { describe, expect, test } from 'vitest';
import { claimsIn } from '#tools/testing/flows/flows.ts';
import {
  csrfOf,
  OWN_ORIGIN,
  readSession,
  redisKeyOf,
  sessionTokenOf,
  signIn,
  signOut,
  signUp,
} from '#tools/testing/flows/identity-flows.ts';
import { type IdentityHarness, newPerson, openIdentityHarness, send } from '#tools/testing/harness/identity.ts';
import { opened } from '#tools/testing/opened.ts';
import { sessionCaller } from './read-session.ts';

const harness = opened(openIdentityHarness);

const rows: IdentityHarness['rows'] = (...asked) => harness.rows(...asked);
/** What a read of the session returns; undefined if it is rejected. */
async function permissionsOf(cookie: string): Promise<ReadonlySet<string> | undefined> {
  const caller = await sessionCaller(harness.deps, cookie, { ip: '', userAgent: '', traceId: '', traceparent: '' });
  return caller?.kind === 'user' ? caller.permissions : undefined;
}
async function flush(): Promise<void> {
  const client = new Redis(harness.redisUrl);
  await client.flushdb();
  client.disconnect();
}

describe('sessions', () => {
  test('both names of every path answer alike, tokens included; those of Better Auth add members', async () => {
    const person = newPerson();
    const up = await send(harness, 'POST', '/api/auth/sign-up/email', { body: person });
    expect(up.status).toBe(201);
    const shape = (value: unknown): unknown =>
      value !== null && typeof value === 'object'
        ? Object.fromEntries(Object.entries(value).map(([key, member]) => [key, shape(member)]))
        : typeof value;
    const { body } = await signUp(harness, newPerson());
    expect(shape(up.body)).toMatchObject(shape(body) as object);
    const [ours, theirs] = [
      await signIn(harness, person),
      await send(harness, 'POST', '/api/auth/sign-in/email', {
        body: { email: person.email, password: person.password },
      }),
    ];
    expect([theirs.status, shape(theirs.body)]).toMatchObject([ours.status, shape(ours.body)]);
    const own = await readSession(harness, ours.cookie);
    const read = await send(harness, 'GET', '/api/auth/get-session', { cookie: ours.cookie });
    expect(read.body).toMatchObject(own.body);
    expect(read.body.session.token).toBe(own.body.session.id);
    expect((await send(harness, 'GET', '/api/auth/get-session')).body).toBeNull();
    expect((await signOut(harness, theirs.cookie, '/api/auth/sign-out')).body).toEqual({ success: true });
    expect((await readSession(harness, theirs.cookie)).status).toBe(401);
    expect((await readSession(harness, ours.cookie)).status).toBe(200);
  });

  test('no other endpoint of Better Auth is reachable', async () => {
    const { cookie } = await signUp(harness, newPerson());
    for (const path of 'update-session ok error token jwks verify-email update-user refresh-token'.split(' '))
      for (const method of ['GET', 'POST']) {
        const answer = await send(harness, method, `/api/auth/${path}`, {
          cookie,
          ...(method === 'POST' ? { body: {} } : {}),
        });
        expect([answer.status, answer.body.code]).toEqual([404, 'route_unknown']);
      }
  });

  test.each([
    ['POST', '//api/auth/signin'],
    ['POST', '/api//auth/signin'],
    ['POST', '/api/auth/signin/'],
    ['POST', '/api/auth/signin;x'],
    ['POST', '/API/auth/signin'],
    ['POST', '/api/auth/%2fsignin'],
    ['POST', '/api/auth/%73ignin'],
    ['POST', '/api/auth/./signin'],
  ])('%s %s is 404 or answers like the plain path', async (method, path) => {
    const answer = await send(harness, method, path, {
      body: { email: newPerson().email, password: 'not the password' },
    });
    expect([404, 401]).toContain(answer.status);
    expect(answer.headers.getSetCookie()).toEqual([]);
  });

  test('reading a session does not query Postgres while Redis has it', async () => {
    const { cookie, body } = await signUp(harness, newPerson());
    let queries = 0;
    const { query, connect } = harness.pool;
    harness.pool.query = ((...args: Parameters<typeof query>) => {
      queries++;
      return query.apply(harness.pool, args);
    }) as typeof query;
    harness.pool.connect = ((...args: Parameters<typeof connect>) => {
      queries++;
      return connect.apply(harness.pool, args);
    }) as typeof connect;
    // On a busy machine a command may miss its deadline, which counts as losing Redis: one read of many must do without
    // Postgres.
    const readWithoutQuery = () =>
      expect.poll(
        async () => {
          queries = 0;
          const answer = await readSession(harness, cookie);
          return [answer.body.session?.id, queries];
        },
        { timeout: 30_000 },
      );
    try {
      await readWithoutQuery().toEqual([body.session.id, 0]);
      await flush();
      queries = 0;
      expect((await readSession(harness, cookie)).body.session.id).toBe(body.session.id);
      expect(queries).toBeGreaterThan(0);
      // The answer of Postgres was cached.
      await readWithoutQuery().toEqual([body.session.id, 0]);
    } finally {
      harness.pool.query = query;
      harness.pool.connect = connect;
    }
  });

  test('a session token from a database dump is refused, unsigned or signed by another key', async () => {
    const { cookie } = await signUp(harness, newPerson());
    const token = sessionTokenOf(cookie);
    const other = await signUp(harness, newPerson());
    const signature = decodeURIComponent(/session_token=([^;]+)/.exec(other.cookie)?.[1] ?? '').split('.')[1] ?? '';
    for (const value of [token, `${token}.`, `${token}.${signature}`, `${token}.${'A'.repeat(43)}=`])
      expect((await readSession(harness, `better-auth.session_token=${encodeURIComponent(value)}`)).status).toBe(401);
    const bearer = await send(harness, 'GET', '/api/auth/session', { headers: { authorization: `Bearer ${token}` } });
    expect(bearer.status).toBe(401);
    expect((await readSession(harness, cookie)).status).toBe(200);
  });

  test('stores neither token nor address in clear in Redis, and a value copied to another session is rejected', async () => {
    const mine = await signUp(harness, newPerson());
    const theirs = await signUp(harness, newPerson());
    const sealed = (await harness.redis.get(redisKeyOf(theirs.cookie))) ?? '';
    expect(sealed).not.toBe('');
    for (const secret of [sessionTokenOf(theirs.cookie), theirs.body.user.email, theirs.body.user.id])
      expect(Buffer.from(sealed.split('.')[1] ?? '', 'base64url').includes(secret) || sealed.includes(secret)).toBe(
        false,
      );
    await harness.redis.set(redisKeyOf(mine.cookie), sealed, 60);
    expect((await readSession(harness, mine.cookie)).body.user.id).toBe(mine.body.user.id);
  });

  test('an expired session is 401, and reading it changes nothing', async () => {
    const { cookie, body } = await signUp(harness, newPerson());
    await rows`UPDATE sessions SET "expiresAt" = now() - interval '1 second' WHERE id = ${body.session.id}`;
    await flush();
    expect((await readSession(harness, cookie)).status).toBe(401);
    expect(await rows`SELECT 1 FROM sessions WHERE id = ${body.session.id}`).toHaveLength(1);
  });

  test('a deleted user has no session, not even a cached one, and no live family', async () => {
    const { cookie, body } = await signUp(harness, newPerson());
    await rows`DELETE FROM users WHERE id = ${body.user.id}`;
    await harness.poll.wake();
    expect((await readSession(harness, cookie)).status).toBe(401);
    expect(await rows`SELECT 1 FROM sessions WHERE "userId" = ${body.user.id}`).toEqual([]);
    expect(await rows`SELECT 1 FROM refresh_families WHERE user_id = ${body.user.id} AND revoked_at IS NULL`).toEqual(
      [],
    );
  });

  test('disabling an account ends its sessions and families, with their audit rows', async () => {
    const { cookie, body } = await signUp(harness, newPerson());
    await rows`UPDATE users SET "disabledAt" = now() WHERE id = ${body.user.id}`;
    await harness.poll.wake();
    expect((await readSession(harness, cookie)).status).toBe(401);
    const types = await rows`SELECT type FROM audit_outbox WHERE target_id = ANY (${[body.user.id, body.session.id]})`;
    expect(types.map((row) => row.type)).toEqual(
      expect.arrayContaining(['user.disabled', 'user.tokens_revoked', 'session.ended']),
    );
  });

  test('a cached session below the epoch of its user is not trusted: Postgres answers with the current roles', async () => {
    const { cookie, body } = await signUp(harness, newPerson());
    await rows`INSERT INTO user_roles (user_id, role) VALUES (${body.user.id}, 'admin')`;
    await flush();
    await readSession(harness, cookie);
    await expect.poll(async () => harness.redis.get(redisKeyOf(cookie))).not.toBeNull();
    expect((await permissionsOf(cookie))?.has('keys:manage')).toBe(true);
    await rows`DELETE FROM user_roles WHERE user_id = ${body.user.id} AND role = 'admin'`;
    await harness.poll.wake();
    expect((await permissionsOf(cookie))?.size).toBe(0);
  });
});

describe('signing out', () => {
  test('ends session, family and access tokens, and clears the cookies', async () => {
    const { cookie, body } = await signUp(harness, newPerson());
    const out = await signOut(harness, cookie);
    expect([out.status, out.body]).toEqual([200, { success: true }]);
    expect(out.headers.getSetCookie().every((line) => line.includes('Max-Age=0'))).toBe(true);
    expect((await readSession(harness, cookie)).status).toBe(401);
    expect(await rows`SELECT 1 FROM sessions WHERE id = ${body.session.id}`).toEqual([]);
    await harness.poll.wake();
    const claims = claimsIn(body.tokens.access_token);
    expect(harness.revocations.check(claims)).toBe('session_ended');
    expect(await rows`SELECT revoke_reason FROM refresh_families WHERE id = ${claims.fid}`).toEqual([
      { revoke_reason: 'sign_out' },
    ]);
    const [event] = await rows`SELECT actor_kind, actor_id, detail FROM audit_outbox
      WHERE type = 'session.ended' AND target_id = ${body.session.id}`;
    expect(event).toMatchObject({ actor_kind: 'user', actor_id: body.user.id, detail: { reason: 'sign_out' } });
  });

  test('without a live session, also after a first sign-out, it is 401', async () => {
    expect((await send(harness, 'POST', '/api/auth/signout')).status).toBe(401);
    const { cookie } = await signUp(harness, newPerson());
    await signOut(harness, cookie);
    expect((await signOut(harness, cookie)).status).toBe(401);
  });
});

describe('pages of other sites', () => {
  test('a write by cookie requires our Origin or the double-submit token', async () => {
    const { cookie } = await signUp(harness, newPerson());
    const other = await signUp(harness, newPerson());
    const attempt = (headers: Record<string, string>) =>
      send(harness, 'POST', '/api/auth/signout', { cookie, headers });
    for (const headers of [
      {},
      { origin: 'https://evil.test' },
      { origin: 'null' },
      { origin: `${OWN_ORIGIN}.evil.test` },
      { origin: 'https://api.sallyport.test' },
      { origin: 'https://evil.test', 'x-csrf-token': csrfOf(cookie) },
      { 'x-csrf-token': csrfOf(other.cookie) },
      { 'x-csrf-token': `9${csrfOf(cookie)}` },
      { 'x-csrf-token': '1.' },
    ] as Record<string, string>[]) {
      const answer = await attempt(headers);
      expect([headers, answer.status, answer.body.code]).toEqual([headers, 403, 'origin_refused']);
    }
    expect((await readSession(harness, cookie)).status).toBe(200);
    expect((await attempt({ origin: OWN_ORIGIN })).status).toBe(200);
    expect((await signOut(harness, other.cookie)).status).toBe(200);
  });

  test('an Origin of another site or null signs no user in or up (login CSRF)', async () => {
    const person = newPerson();
    await signUp(harness, person);
    for (const origin of ['https://evil.test', 'null'])
      for (const [path, body] of [
        ['/api/auth/signin', { email: person.email, password: person.password }],
        ['/api/auth/sign-in/email', { email: person.email, password: person.password }],
        ['/api/auth/signup', newPerson()],
        ['/api/auth/sign-up/email', newPerson()],
      ] as const) {
        const answer = await send(harness, 'POST', path, { body, headers: { origin } });
        expect([answer.status, answer.body.code]).toEqual([403, 'origin_refused']);
        expect(answer.headers.getSetCookie()).toEqual([]);
      }
    expect((await signIn(harness, person, { headers: { origin: OWN_ORIGIN } })).status).toBe(200);
  });
});
