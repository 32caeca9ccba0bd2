import { createHash } from 'node:crypto';
import { Redis } from 'ioredis';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { type IdentityWorld, newPerson, send, startIdentityWorld } from '../../platform/testing/identity-world.ts';
import { createTestDatabase, type TestDatabase, testRedisUrl } from '../../platform/testing/stores.ts';
import type { PasswordHasher } from '../ports.ts';
import { sessionCaller } from './read-session.ts';

vi.setConfig({ testTimeout: 180_000 });

let database: TestDatabase;
let redisUrl: string;
let world: IdentityWorld;
let db: pg.Pool;
beforeAll(async () => {
  database = await createTestDatabase();
  redisUrl = testRedisUrl();
  db = new pg.Pool({ connectionString: database.url, max: 2 });
  db.on('error', () => {}).on('connect', (client) => client.on('error', () => {}));
  world = await startIdentityWorld({
    databaseUrl: database.url,
    redisUrl,
    around: { hasher: watched },
    // A poll may wait for a busy machine.
    env: { REVOCATION_STALENESS_MS: '60000' },
  });
});
afterAll(async () => {
  await world.close();
  await db.end();
  await database.drop();
});

/** Open transactions of the API at the moment of each hash. */
const idleInTransaction: number[] = [];
const watched = (real: PasswordHasher): PasswordHasher => {
  const look = async (): Promise<void> => {
    const [open] = await rows(
      `SELECT count(*)::int FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'test'
         AND state LIKE 'idle in transaction%'`,
    );
    idleInTransaction.push(open.count);
  };
  return {
    hash: (password, admission) => look().then(() => real.hash(password, admission)),
    verify: (password, digest, admission) => look().then(() => real.verify(password, digest, admission)),
    needsUpgrade: (digest) => real.needsUpgrade(digest),
    dummyDigest: () => real.dummyDigest(),
  };
};

type Person = ReturnType<typeof newPerson>;
const signUp = (person: Person, options = {}) => send(world, 'POST', '/api/auth/signup', { body: person, ...options });
const signIn = ({ email, password }: { email: string; password: string }, options = {}) =>
  send(world, 'POST', '/api/auth/signin', { body: { email, password }, ...options });
const readSession = (cookie: string) => send(world, 'GET', '/api/auth/session', { cookie });
const csrfOf = (cookie: string): string => /sallyport\.csrf=([^;]+)/.exec(cookie)?.[1] ?? '';
const signOut = (cookie: string, path = '/api/auth/signout') =>
  send(world, 'POST', path, { cookie, headers: { 'x-csrf-token': csrfOf(cookie) } });
const rows = async (text: string, values: unknown[] = []) => (await db.query(text, values)).rows;
const claimsOf = (token: string) => JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString());

describe('signing up', () => {
  test('D-API-01 D-USR-10 gives user, session, tokens and a signed HttpOnly cookie, and stores a bcrypt-12 digest', async () => {
    const person = newPerson();
    const answer = await signUp(person);
    expect(answer.status).toBe(201);
    expect(answer.headers.get('cache-control')).toBe('no-store');
    expect(answer.body.user).toMatchObject({ email: person.email, emailVerified: false, name: 'Ada' });
    expect(answer.body.session).toMatchObject({ userId: answer.body.user.id });
    expect(Object.keys(answer.body.tokens).sort()).toEqual(
      ['access_token', 'expires_in', 'refresh_expires_in', 'refresh_token', 'scope', 'token_type'].sort(),
    );
    const claims = claimsOf(answer.body.tokens.access_token);
    expect(claims).toMatchObject({ sub: answer.body.user.id, sid: answer.body.session.id, client_id: 'sallyport' });
    const [line] = answer.headers.getSetCookie();
    expect(line).toMatch(/^better-auth\.session_token=.+; Max-Age=2592000; Path=\/; HttpOnly; SameSite=Lax$/);
    const [account] = await rows(`SELECT password, "providerId" FROM accounts WHERE "userId" = $1`, [
      answer.body.user.id,
    ]);
    expect(account.providerId).toBe('credential');
    expect(account.password).toMatch(/^\$2b\$12\$/);
    expect((await readSession(answer.cookie)).body).toEqual({ user: answer.body.user, session: answer.body.session });
  });

  test('D-DAT-01 keeps emailVerified as a nullable timestamp and answers with a boolean', async () => {
    const answer = await signUp(newPerson());
    const { id } = answer.body.user;
    expect(await rows(`SELECT "emailVerified" FROM users WHERE id = $1`, [id])).toEqual([{ emailVerified: null }]);
    await rows(`UPDATE users SET "emailVerified" = now() WHERE id = $1`, [id]);
    const again = await signIn({ email: answer.body.user.email, password: 'not the password' });
    expect(again.status).toBe(401);
    await world.redis.delete(`auth:{${createHash('sha256').update(tokenOf(answer.cookie)).digest('base64url')}}`);
    expect((await readSession(answer.cookie)).body.user.emailVerified).toBe(true);
  });

  test('an address is one whatever its case; the second is 409 and changes nothing', async () => {
    const person = newPerson();
    await signUp(person);
    const again = await signUp({ ...person, email: person.email.toUpperCase(), password: 'another password' });
    expect([again.status, again.body.code]).toEqual([409, 'email_taken']);
    expect(again.headers.getSetCookie()).toEqual([]);
    expect((await signIn({ ...person, email: person.email.toUpperCase() })).status).toBe(200);
  });

  test('eight at once with one address make one account, one session and one family', async () => {
    const person = newPerson();
    const answers = await Promise.all(Array.from({ length: 8 }, () => signUp(person)));
    expect(answers.map((answer) => answer.status).sort()).toEqual([201, 409, 409, 409, 409, 409, 409, 409]);
    const counts = await rows(
      `SELECT (SELECT count(*)::int FROM users u WHERE u.email = $1) AS users,
         (SELECT count(*)::int FROM accounts a JOIN users u ON u.id = a."userId" WHERE u.email = $1) AS accounts,
         (SELECT count(*)::int FROM sessions s JOIN users u ON u.id = s."userId" WHERE u.email = $1) AS sessions,
         (SELECT count(*)::int FROM refresh_families f JOIN users u ON u.id = f.user_id WHERE u.email = $1) AS families`,
      [person.email],
    );
    expect(counts).toEqual([{ users: 1, accounts: 1, sessions: 1, families: 1 }]);
  });

  test.each([
    ['password_too_short', { password: 'eleven char' }],
    ['password_too_long', { password: 'x'.repeat(257) }],
    ['password_too_long', { password: '𝒜'.repeat(200) + '\u{10348}'.repeat(57) }],
    ['password_ill_formed', { password: `twelve chars\ud800` }],
    ['request_invalid', { password: 12 }],
    ['request_invalid', { password: undefined }],
    ['request_invalid', { email: 'no address' }],
    ['request_invalid', { email: `${'a'.repeat(64)}@${'b'.repeat(190)}.test` }],
    ['request_invalid', { email: `${'a'.repeat(100_00)}!` }],
    ['request_invalid', { email: { not: '' } }],
    ['request_invalid', { name: 'x'.repeat(129) }],
    ['request_invalid', { name: 'a\r\nSet-Cookie: b' }],
    ['request_invalid', { name: '\u001b[31m' }],
    ['request_invalid', { role: 'admin' }],
    ['request_invalid', { emailVerified: true }],
    ['request_invalid', { roles: ['admin'] }],
    ['request_invalid', { callbackURL: 'https://evil.test' }],
  ])('A2 refuses with %s and keeps nothing: %o', async (code, change) => {
    const person = { ...newPerson(), ...change };
    const answer = await send(world, 'POST', '/api/auth/signup', { body: person });
    expect([answer.status, answer.body.code]).toEqual([400, code]);
    expect(answer.headers.getSetCookie()).toEqual([]);
    expect(await rows('SELECT 1 FROM users WHERE email = $1', [String(person.email)])).toEqual([]);
  });

  test('U2 takes 256 characters up to 1,024 bytes, keeps every byte of them, and knows NFKC-equal forms', async () => {
    const long = { ...newPerson(), password: `${'p'.repeat(99)}1` };
    await signUp(long);
    expect((await signIn({ ...long, password: `${'p'.repeat(99)}2` })).status).toBe(401);
    expect((await signIn(long)).status).toBe(200);
    const widest = { ...newPerson(), password: '\u{20000}'.repeat(256) };
    expect((await signUp(widest)).status).toBe(201);
    expect((await signIn(widest)).status).toBe(200);
    const composed = { ...newPerson(), password: 'ﬁnancé financé' };
    await signUp(composed);
    expect((await signIn({ ...composed, password: 'finance\u0301 finance\u0301' })).status).toBe(200);
  });
});

describe('signing in', () => {
  test('D-API-02 U7 begins a new session and ends the one the request came with, with its tokens', async () => {
    const person = newPerson();
    const first = await signUp(person);
    const second = await signIn(person, { cookie: first.cookie });
    expect(second.status).toBe(200);
    expect(second.body.session.id).not.toBe(first.body.session.id);
    expect(tokenOf(second.cookie)).not.toBe(tokenOf(first.cookie));
    expect((await readSession(first.cookie)).status).toBe(401);
    expect((await readSession(second.cookie)).status).toBe(200);
    expect(await rows('SELECT revoke_reason FROM refresh_families WHERE sid = $1', [first.body.session.id])).toEqual([
      { revoke_reason: 'sign_in' },
    ]);
  });

  test('a session of another browser stays', async () => {
    const person = newPerson();
    const first = await signUp(person);
    await signIn(person);
    expect((await readSession(first.cookie)).status).toBe(200);
  });

  test('U6 answers a wrong password, an unknown account, a disabled one and an impossible password alike', async () => {
    const person = newPerson();
    await signUp(person);
    const disabled = newPerson();
    const { body } = await signUp(disabled);
    await rows('UPDATE users SET "disabledAt" = now() WHERE id = $1', [body.user.id]);
    const answers = await Promise.all([
      signIn({ ...person, password: 'not the password' }),
      signIn(newPerson()),
      signIn(disabled),
      signIn({ ...person, password: '' }),
      signIn({ ...person, password: 'x'.repeat(2_000) }),
      signIn({ ...newPerson(), password: 'x'.repeat(2_000) }),
    ]);
    const alike = answers.map(({ status, headers, body: { trace_id: _, ...rest } }) => ({
      status,
      rest,
      headers: [...headers].filter(([name]) => !['date', 'content-length'].includes(name)),
      length: headers.get('content-length'),
    }));
    expect(alike[0]).toMatchObject({ status: 401, rest: { code: 'login_refused' } });
    for (const answer of alike) expect(answer).toEqual(alike[0]);
  });

  test('L1 one event for each success and each failure, the failure committed before its 401, no address in clear', async () => {
    const person = newPerson();
    const { body } = await signUp(person);
    const events = () =>
      rows(
        `SELECT outcome, actor_kind, actor_id, target_id, detail FROM audit_outbox WHERE type = 'user.login' ORDER BY id`,
      );
    const before = await events();
    await signIn({ ...person, password: 'not the password' });
    await signIn({ ...newPerson(), password: 'not the password' });
    const opened = await signIn(person);
    const added = (await events()).slice(before.length);
    expect(added).toMatchObject([
      { outcome: 'refused', actor_kind: 'anonymous', target_id: body.user.id },
      { outcome: 'refused', actor_kind: 'anonymous', target_id: null },
      {
        outcome: 'ok',
        actor_kind: 'user',
        actor_id: body.user.id,
        target_id: body.user.id,
        detail: { session_id: opened.body.session.id },
      },
    ]);
    expect(added[0].detail.identifier).toBe(added[2].detail.identifier);
    expect(added[0].detail.identifier).not.toBe(added[1].detail.identifier);
    const [{ everything }] = await rows(`SELECT string_agg(o::text, '') AS everything FROM audit_outbox o`);
    expect(everything).not.toContain(person.email);
    expect(everything).not.toContain(tokenOf(opened.cookie));
  });

  test('session, family and login event name the trace of the answer', async () => {
    const person = newPerson();
    await signUp(person);
    const traceId = 'c0ffee00c0ffee00c0ffee00c0ffee00';
    const opened = await signIn(person, { headers: { traceparent: `00-${traceId}-1234567890abcdef-01` } });
    const traced = await rows('SELECT type FROM audit_outbox WHERE traceparent LIKE $1 ORDER BY id', [`%${traceId}%`]);
    expect(opened.status).toBe(200);
    expect(traced.map((row) => row.type)).toEqual([
      'session.created',
      'user.login',
      expect.stringContaining('family_created'),
    ]);
  });

  test('no password is hashed inside a transaction', async () => {
    const person = newPerson();
    idleInTransaction.length = 0;
    await signUp(person);
    await signIn(person);
    await signIn({ ...person, password: 'not the password' });
    expect(idleInTransaction).toEqual([0, 0, 0]);
  });
});

describe('sessions', () => {
  test('D-API-10 both names of every path answer alike, tokens included', async () => {
    const person = newPerson();
    const up = await send(world, 'POST', '/api/auth/sign-up/email', { body: person });
    expect(up.status).toBe(201);
    const shape = (value: unknown): unknown =>
      value !== null && typeof value === 'object'
        ? Object.fromEntries(Object.entries(value).map(([key, member]) => [key, shape(member)]))
        : typeof value;
    const { body } = await signUp(newPerson());
    expect(shape(up.body)).toEqual(shape(body));
    const [ours, theirs] = [
      await signIn(person),
      await send(world, 'POST', '/api/auth/sign-in/email', {
        body: { email: person.email, password: person.password },
      }),
    ];
    expect([ours.status, shape(ours.body)]).toEqual([theirs.status, shape(theirs.body)]);
    const own = await readSession(ours.cookie);
    expect(await send(world, 'GET', '/api/auth/get-session', { cookie: ours.cookie }).then((a) => a.body)).toEqual(
      own.body,
    );
    expect((await send(world, 'GET', '/api/auth/get-session')).status).toBe(401);
    expect((await signOut(theirs.cookie, '/api/auth/sign-out')).body).toEqual({ success: true });
    expect((await readSession(theirs.cookie)).status).toBe(401);
    expect((await readSession(ours.cookie)).status).toBe(200);
  });

  test('nothing else of Better Auth is reachable', async () => {
    const { cookie } = await signUp(newPerson());
    for (const path of [
      'list-sessions',
      'ok',
      'error',
      'token',
      'jwks',
      'verify-email',
      'update-user',
      'revoke-sessions',
    ])
      for (const method of ['GET', 'POST']) {
        const answer = await send(world, method, `/api/auth/${path}`, {
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
  ])('%s %s is 404 or the same answer as the plain path', async (method, path) => {
    const answer = await send(world, method, path, {
      body: { email: newPerson().email, password: 'not the password' },
    });
    expect([404, 401]).toContain(answer.status);
    expect(answer.headers.getSetCookie()).toEqual([]);
  });

  test('C-USR-09 reading a session asks Postgres nothing while Redis has it', async () => {
    const { cookie, body } = await signUp(newPerson());
    let queries = 0;
    const { query, connect } = world.pool;
    world.pool.query = ((...args: Parameters<typeof query>) => {
      queries++;
      return query.apply(world.pool, args);
    }) as typeof query;
    world.pool.connect = ((...args: Parameters<typeof connect>) => {
      queries++;
      return connect.apply(world.pool, args);
    }) as typeof connect;
    // On a busy machine a command may miss its deadline, which is Redis lost: one read of many must do without Postgres.
    const readWithoutQuery = () =>
      expect.poll(
        async () => {
          queries = 0;
          const answer = await readSession(cookie);
          return [answer.body.session?.id, queries];
        },
        { timeout: 30_000 },
      );
    try {
      await readWithoutQuery().toEqual([body.session.id, 0]);
      await flush();
      queries = 0;
      expect((await readSession(cookie)).body.session.id).toBe(body.session.id);
      expect(queries).toBeGreaterThan(0);
      // The answer of Postgres was put back.
      await readWithoutQuery().toEqual([body.session.id, 0]);
    } finally {
      world.pool.query = query;
      world.pool.connect = connect;
    }
  });

  test('only the signed cookie counts: the session token of a dump, without or with a foreign signature, is refused', async () => {
    const { cookie } = await signUp(newPerson());
    const token = tokenOf(cookie);
    const other = await signUp(newPerson());
    const signature = decodeURIComponent(/session_token=([^;]+)/.exec(other.cookie)?.[1] ?? '').split('.')[1] ?? '';
    for (const value of [token, `${token}.`, `${token}.${signature}`, `${token}.${'A'.repeat(43)}=`])
      expect((await readSession(`better-auth.session_token=${encodeURIComponent(value)}`)).status).toBe(401);
    const bearer = await send(world, 'GET', '/api/auth/session', { headers: { authorization: `Bearer ${token}` } });
    expect(bearer.status).toBe(401);
    expect((await readSession(cookie)).status).toBe(200);
  });

  test('Redis holds neither token nor address in clear, and a value moved to another session opens nothing', async () => {
    const mine = await signUp(newPerson());
    const theirs = await signUp(newPerson());
    const sealed = (await world.redis.get(redisKeyOf(theirs.cookie))) ?? '';
    expect(sealed).not.toBe('');
    for (const secret of [tokenOf(theirs.cookie), theirs.body.user.email, theirs.body.user.id])
      expect(Buffer.from(sealed.split('.')[1] ?? '', 'base64url').includes(secret) || sealed.includes(secret)).toBe(
        false,
      );
    await world.redis.set(redisKeyOf(mine.cookie), sealed, 60);
    expect((await readSession(mine.cookie)).body.user.id).toBe(mine.body.user.id);
  });

  test('an expired session is 401, and reading it changes nothing', async () => {
    const { cookie, body } = await signUp(newPerson());
    await rows(`UPDATE sessions SET "expiresAt" = now() - interval '1 second' WHERE id = $1`, [body.session.id]);
    await flush();
    expect((await readSession(cookie)).status).toBe(401);
    expect(await rows('SELECT 1 FROM sessions WHERE id = $1', [body.session.id])).toHaveLength(1);
  });

  test('D-DAT-02 a deleted user has no session and no live family, a cached session included', async () => {
    const { cookie, body } = await signUp(newPerson());
    await rows('DELETE FROM users WHERE id = $1', [body.user.id]);
    await world.poll.wake();
    expect((await readSession(cookie)).status).toBe(401);
    expect(await rows('SELECT 1 FROM sessions WHERE "userId" = $1', [body.user.id])).toEqual([]);
    expect(
      await rows('SELECT 1 FROM refresh_families WHERE user_id = $1 AND revoked_at IS NULL', [body.user.id]),
    ).toEqual([]);
  });

  test('U7 disabling an account ends its sessions and families, with their audit rows', async () => {
    const { cookie, body } = await signUp(newPerson());
    await rows('UPDATE users SET "disabledAt" = now() WHERE id = $1', [body.user.id]);
    await world.poll.wake();
    expect((await readSession(cookie)).status).toBe(401);
    const types = await rows(`SELECT type FROM audit_outbox WHERE target_id = ANY ($1)`, [
      [body.user.id, body.session.id],
    ]);
    expect(types.map((row) => row.type)).toEqual(
      expect.arrayContaining(['user.disabled', 'user.tokens_revoked', 'session.ended']),
    );
  });

  test('below its user’s epoch a cached session is not believed: Postgres answers with today’s roles', async () => {
    const { cookie, body } = await signUp(newPerson());
    await rows(`INSERT INTO user_roles (user_id, role) VALUES ($1, 'admin')`, [body.user.id]);
    await flush();
    await readSession(cookie);
    await expect.poll(async () => world.redis.get(redisKeyOf(cookie))).not.toBeNull();
    expect((await permissionsOf(cookie))?.has('keys:manage')).toBe(true);
    await rows(`DELETE FROM user_roles WHERE user_id = $1 AND role = 'admin'`, [body.user.id]);
    await world.poll.wake();
    expect((await permissionsOf(cookie))?.size).toBe(0);
  });
});

describe('signing out', () => {
  test('D-API-03 D-USR-11 ends session, family and access tokens, and clears the cookies', async () => {
    const { cookie, body } = await signUp(newPerson());
    const out = await signOut(cookie);
    expect([out.status, out.body]).toEqual([200, { success: true }]);
    expect(out.headers.getSetCookie().every((line) => line.includes('Max-Age=0'))).toBe(true);
    expect((await readSession(cookie)).status).toBe(401);
    expect(await rows('SELECT 1 FROM sessions WHERE id = $1', [body.session.id])).toEqual([]);
    await world.poll.wake();
    const claims = claimsOf(body.tokens.access_token);
    expect(world.revocations.check(claims)).toBe('session_ended');
    expect(await rows('SELECT revoke_reason FROM refresh_families WHERE id = $1', [claims.fid])).toEqual([
      { revoke_reason: 'sign_out' },
    ]);
    const [event] = await rows(
      `SELECT actor_kind, actor_id, detail FROM audit_outbox WHERE type = 'session.ended' AND target_id = $1`,
      [body.session.id],
    );
    expect(event).toMatchObject({ actor_kind: 'user', actor_id: body.user.id, detail: { reason: 'sign_out' } });
  });

  test('without a live session it is 401, a second time included', async () => {
    expect((await send(world, 'POST', '/api/auth/signout')).status).toBe(401);
    const { cookie } = await signUp(newPerson());
    await signOut(cookie);
    expect((await signOut(cookie)).status).toBe(401);
  });
});

describe('foreign pages', () => {
  const OWN = 'http://api.sallyport.test';
  test('U9 a write by cookie passes with the own Origin or the double-submit token, and with nothing less', async () => {
    const { cookie } = await signUp(newPerson());
    const other = await signUp(newPerson());
    const attempt = (headers: Record<string, string>) => send(world, 'POST', '/api/auth/signout', { cookie, headers });
    for (const headers of [
      {},
      { origin: 'https://evil.test' },
      { origin: 'null' },
      { origin: `${OWN}.evil.test` },
      { origin: 'https://api.sallyport.test' },
      { origin: 'https://evil.test', 'x-csrf-token': csrfOf(cookie) },
      { 'x-csrf-token': csrfOf(other.cookie) },
      { 'x-csrf-token': `9${csrfOf(cookie)}` },
      { 'x-csrf-token': '1.' },
    ] as Record<string, string>[]) {
      const answer = await attempt(headers);
      expect([headers, answer.status, answer.body.code]).toEqual([headers, 403, 'origin_refused']);
    }
    expect((await readSession(cookie)).status).toBe(200);
    expect((await attempt({ origin: OWN })).status).toBe(200);
    expect((await signOut(other.cookie)).status).toBe(200);
  });

  test('a foreign or null Origin signs nobody in or up (login CSRF)', async () => {
    const person = newPerson();
    await signUp(person);
    for (const origin of ['https://evil.test', 'null'])
      for (const [path, body] of [
        ['/api/auth/signin', { email: person.email, password: person.password }],
        ['/api/auth/sign-in/email', { email: person.email, password: person.password }],
        ['/api/auth/signup', newPerson()],
        ['/api/auth/sign-up/email', newPerson()],
      ] as const) {
        const answer = await send(world, 'POST', path, { body, headers: { origin } });
        expect([answer.status, answer.body.code]).toEqual([403, 'origin_refused']);
        expect(answer.headers.getSetCookie()).toEqual([]);
      }
    expect((await signIn(person, { headers: { origin: OWN } })).status).toBe(200);
  });
});

const tokenOf = (cookie: string): string =>
  decodeURIComponent(/session_token=([^;]+)/.exec(cookie)?.[1] ?? '').split('.')[0] ?? '';
const redisKeyOf = (cookie: string): string =>
  `auth:{${createHash('sha256').update(tokenOf(cookie)).digest('base64url')}}`;
async function permissionsOf(cookie: string): Promise<ReadonlySet<string> | undefined> {
  const caller = await sessionCaller(world.deps, cookie, { ip: '', userAgent: '', traceId: '', traceparent: '' });
  return caller?.kind === 'user' ? caller.permissions : undefined;
}
async function flush(): Promise<void> {
  const client = new Redis(redisUrl);
  await client.flushdb();
  client.disconnect();
}
