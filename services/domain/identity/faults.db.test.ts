import { randomBytes, randomUUID } from 'node:crypto';
import { Redis } from 'ioredis';
import pg from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { redisKeyOf } from '../../platform/testing/flows/identity-flows.ts';
import { startTcpProxy, type TcpProxy } from '../../platform/testing/processes/tcp-proxy.ts';
import { createTestDatabase, type TestDatabase, testRedisUrl } from '../../platform/testing/stores.ts';
import {
  type IdentityWorld,
  newPerson,
  send,
  startIdentityWorld,
} from '../../platform/testing/worlds/identity-world.ts';
import { signingUnavailable } from '../keys/errors.ts';
import type { KeyRing } from '../keys/key-ring.ts';

vi.setConfig({ testTimeout: 180_000 });

let database: TestDatabase;
let postgres: TcpProxy;
let redis: TcpProxy;
let world: IdentityWorld;
let db: pg.Pool;
const authSecret = randomBytes(32).toString('base64url');
let canSign = true;

const sometimesSigning = (real: KeyRing): KeyRing => ({
  ...real,
  sign: (header, claims, options) =>
    canSign ? real.sign(header, claims, options) : Promise.reject(signingUnavailable({ retryAfterSeconds: 1 })),
});

beforeAll(async () => {
  database = await createTestDatabase();
  [postgres, redis] = await Promise.all([startTcpProxy(database.url), startTcpProxy(testRedisUrl())]);
  db = new pg.Pool({ connectionString: database.url, max: 2 });
  db.on('error', () => {}).on('connect', (client) => client.on('error', () => {}));
  world = await startIdentityWorld({
    databaseUrl: postgres.url,
    redisUrl: redis.url,
    authSecret,
    around: { keyRing: sometimesSigning },
  });
});
afterAll(async () => {
  await world.close();
  await Promise.all([postgres.cut(), redis.cut()]);
  await db.end();
  await database.drop();
});
beforeEach(async () => {
  canSign = true;
  await expect.poll(() => world.redis.isReady(), { timeout: 60_000 }).toBe(true);
  await expect.poll(() => world.revocations.refusal(), { timeout: 60_000 }).toBeNull();
});

const rows = async (text: string, values: unknown[] = []) => (await db.query(text, values)).rows;
const signUp = (person = newPerson()) => send(world, 'POST', '/api/auth/signup', { body: person });
const signIn = ({ email, password }: { email: string; password: string }) =>
  send(world, 'POST', '/api/auth/signin', { body: { email, password } });
const readSession = (cookie: string) => send(world, 'GET', '/api/auth/session', { cookie });
const signOut = (cookie: string) =>
  send(world, 'POST', '/api/auth/signout', { cookie, headers: { origin: 'http://api.sallyport.test' } });
async function cachedSessions(): Promise<string[]> {
  const client = new Redis(redis.url);
  const keys = await client.keys('auth:*');
  client.disconnect();
  return keys.sort();
}
const isRedisGone = () => expect.poll(() => world.redis.isReady(), { timeout: 60_000 }).toBe(false);

describe('Redis out of reach', () => {
  test('Postgres answers for sessions; signing up, in and out go on', async () => {
    const person = newPerson();
    const before = await signUp(person);
    await redis.cut();
    await isRedisGone();
    expect((await readSession(before.cookie)).body.session.id).toBe(before.body.session.id);
    const opened = await signIn(person);
    expect(opened.status).toBe(200);
    expect((await readSession(opened.cookie)).status).toBe(200);
    expect((await signUp()).status).toBe(201);
    expect((await signOut(opened.cookie)).status).toBe(200);
    expect((await readSession(opened.cookie)).status).toBe(401);
    await redis.restore();
  });

  test('signed out with Redis down, then Redis back with its old copy: 401, on this copy and on one that starts later', async () => {
    const { cookie, body } = await signUp();
    expect((await readSession(cookie)).status).toBe(200);
    await redis.cut();
    await isRedisGone();
    expect((await signOut(cookie)).status).toBe(200);
    await redis.restore();
    await expect.poll(() => world.redis.isReady(), { timeout: 60_000 }).toBe(true);
    expect(await world.redis.get(redisKeyOf(cookie))).not.toBeNull();
    expect((await readSession(cookie)).status).toBe(401);
    await world.poll.wake();
    expect(world.revocations.isSessionEnded(body.session.id)).toBe(true);
    expect((await readSession(cookie)).status).toBe(401);
    expect(await rows('SELECT 1 FROM sessions WHERE id = $1', [body.session.id])).toEqual([]);
    const later = await startIdentityWorld({ databaseUrl: database.url, redisUrl: redis.url, authSecret });
    try {
      await expect.poll(() => later.redis.isReady(), { timeout: 60_000 }).toBe(true);
      expect((await send(later, 'GET', '/api/auth/session', { cookie })).status).toBe(401);
    } finally {
      await later.close();
    }
  });

  test('a frozen Redis delays, and changes no answer', async () => {
    const person = newPerson();
    const { cookie } = await signUp(person);
    redis.freeze();
    expect((await readSession(cookie)).status).toBe(200);
    const opened = await signIn(person);
    expect(opened.status).toBe(200);
    expect((await signOut(opened.cookie)).status).toBe(200);
    redis.thaw();
  });
});

describe('Postgres out of reach', () => {
  test('every write is 503 with Retry-After, sign-out never a false 200, and all is as before once it is back', async () => {
    const person = newPerson();
    const { cookie, body } = await signUp(person);
    await postgres.cut();
    const out = await signOut(cookie);
    expect([out.status, out.body.retryable, Number(out.headers.get('retry-after')) >= 1]).toEqual([503, true, true]);
    expect(out.headers.getSetCookie()).toEqual([]);
    expect((await signIn(person)).status).toBe(503);
    expect((await signIn(newPerson())).status).toBe(503);
    expect((await signUp()).status).toBe(503);
    await postgres.restore();
    await expect.poll(async () => (await readSession(cookie)).status, { timeout: 60_000 }).toBe(200);
    expect(await rows('SELECT revoked_at FROM refresh_families WHERE sid = $1', [body.session.id])).toEqual([
      { revoked_at: null },
    ]);
    expect((await signOut(cookie)).status).toBe(200);
    expect((await readSession(cookie)).status).toBe(401);
  });

  test('a copy that may not know the latest revocations believes no cached session: 503, then the truth', async () => {
    const { cookie, body } = await signUp();
    await postgres.cut();
    await expect.poll(() => world.revocations.refusal(), { timeout: 60_000 }).toBe('revocation_state_stale');
    const stale = await readSession(cookie);
    expect([stale.status, stale.body.code]).toEqual([503, 'store_unavailable']);
    // Ended elsewhere meanwhile.
    await rows('DELETE FROM sessions WHERE id = $1', [body.session.id]);
    await postgres.restore();
    await expect.poll(() => world.revocations.refusal(), { timeout: 60_000 }).toBeNull();
    expect((await readSession(cookie)).status).toBe(401);
  });
});

describe('half-done logins', () => {
  const known = newPerson();
  const signUpNew = () => signUp();
  const signInKnown = () => signIn(known);
  test.each([
    ['session.created', 'signing up', signUpNew],
    ['session.created', 'signing in', signInKnown],
    ['user.created', 'signing up', signUpNew],
    ['account.linked', 'signing up', signUpNew],
    ['user.login', 'signing in', signInKnown],
    ['token.family_created', 'signing up', signUpNew],
    ['token.family_created', 'signing in', signInKnown],
  ])(
    'a failing outbox insert of %s while %s leaves no user, account, session, family or event',
    async (type, _doing, attempt) => {
      await signUp(known);
      const counts = () =>
        rows(`SELECT (SELECT count(*) FROM users) AS users, (SELECT count(*) FROM accounts) AS accounts,
        (SELECT count(*) FROM sessions) AS sessions, (SELECT count(*) FROM refresh_families) AS families,
        (SELECT count(*) FROM audit_outbox) AS events`);
      const before = await counts();
      const cached = await cachedSessions();
      await rows(`CREATE FUNCTION refuse_event() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN IF NEW.type = '${type}' THEN RAISE 'no room'; END IF; RETURN NEW; END $$`);
      await rows(
        'CREATE TRIGGER refuse_event BEFORE INSERT ON audit_outbox FOR EACH ROW EXECUTE FUNCTION refuse_event()',
      );
      try {
        const answer = await attempt();
        expect([answer.status, answer.body.code, answer.headers.getSetCookie()]).toEqual([500, 'internal_error', []]);
        expect(await counts()).toEqual(before);
        expect(await cachedSessions()).toEqual(cached);
      } finally {
        await rows('DROP FUNCTION refuse_event CASCADE');
      }
    },
  );

  test('a failing event of the end keeps the session: sign-out is no 200', async () => {
    const { cookie, body } = await signUp();
    await rows(`CREATE FUNCTION refuse_event() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN IF NEW.type = 'session.ended' THEN RAISE EXCEPTION USING ERRCODE = '53100'; END IF; RETURN NEW; END $$`);
    await rows(
      'CREATE TRIGGER refuse_event BEFORE INSERT ON audit_outbox FOR EACH ROW EXECUTE FUNCTION refuse_event()',
    );
    try {
      expect((await signOut(cookie)).status).toBe(503);
    } finally {
      await rows('DROP FUNCTION refuse_event CASCADE');
    }
    expect((await readSession(cookie)).status).toBe(200);
    expect(await rows('SELECT revoked_at FROM refresh_families WHERE sid = $1', [body.session.id])).toEqual([
      { revoked_at: null },
    ]);
  });

  test('a failed login whose event cannot be written is no 401', async () => {
    await rows(`CREATE FUNCTION refuse_login() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN IF NEW.type = 'user.login' THEN RAISE EXCEPTION USING ERRCODE = '53100'; END IF; RETURN NEW; END $$`);
    await rows(
      'CREATE TRIGGER refuse_login BEFORE INSERT ON audit_outbox FOR EACH ROW EXECUTE FUNCTION refuse_login()',
    );
    try {
      const answer = await signIn(newPerson());
      expect([answer.status, answer.body.code]).toEqual([503, 'store_unavailable']);
    } finally {
      await rows('DROP FUNCTION refuse_login CASCADE');
    }
  });

  test('when the tokens cannot be signed it is 503, no cookie leaves, and the session made for them ends', async () => {
    const person = newPerson();
    await signUp(person);
    canSign = false;
    const refused = await signIn(person);
    expect([refused.status, refused.body.code]).toEqual([503, 'signing_unavailable']);
    expect(refused.headers.getSetCookie()).toEqual([]);
    const newcomer = newPerson();
    expect((await signUp(newcomer)).status).toBe(503);
    canSign = true;
    const sessions = await rows(
      `SELECT u.email, count(s.id)::int FROM users u LEFT JOIN sessions s ON s."userId" = u.id WHERE u.email = ANY ($1) GROUP BY 1 ORDER BY 2`,
      [[person.email, newcomer.email]],
    );
    expect(sessions).toEqual([
      { email: newcomer.email, count: 0 },
      { email: person.email, count: 1 },
    ]);
    expect((await signIn(newcomer)).status).toBe(200);
  });

  test('and where that session cannot be ended either, it is the signing that is told of, and no cookie leaves', async () => {
    const person = newPerson();
    await signUp(person);
    await rows(`CREATE FUNCTION refuse_end() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN IF NEW.type = 'session.ended' THEN RAISE EXCEPTION USING ERRCODE = '53100'; END IF; RETURN NEW; END $$`);
    await rows('CREATE TRIGGER refuse_end BEFORE INSERT ON audit_outbox FOR EACH ROW EXECUTE FUNCTION refuse_end()');
    canSign = false;
    try {
      const refused = await signIn(person);
      expect([refused.status, refused.body.code]).toEqual([503, 'signing_unavailable']);
      expect(refused.headers.getSetCookie()).toEqual([]);
    } finally {
      await rows('DROP FUNCTION refuse_end CASCADE');
    }
  });

  test('a sign-up whose tokens could not be signed is completed by its retry with the same Idempotency-Key', async () => {
    const asked = { body: newPerson(), headers: { 'idempotency-key': randomUUID() } };
    canSign = false;
    expect((await send(world, 'POST', '/api/auth/signup', asked)).status).toBe(503);
    canSign = true;
    const opened = await send(world, 'POST', '/api/auth/signup', asked);
    expect(opened.status).toBe(201);
    expect((await readSession(opened.cookie)).body.session.id).toBe(opened.body.session.id);
  });

  test.each([
    ['with another password by then', `UPDATE accounts SET password = password || ' ' WHERE "userId" = $1`],
    ['disabled by then', `UPDATE users SET "disabledAt" = now() WHERE id = $1`],
    ['deleted by then', `DELETE FROM users WHERE id = $1`],
  ])('an account whose password was right, %s, is refused like any other', async (_what, change) => {
    const person = newPerson();
    const { body } = await signUp(person);
    const { verify } = world.deps.hasher;
    Object.assign(world.deps.hasher, {
      verify: async (...args: Parameters<typeof verify>) => {
        const matches = await verify(...args);
        await rows(change, [body.user.id]);
        return matches;
      },
    });
    try {
      const answer = await signIn(person);
      expect([answer.status, answer.body.code]).toEqual([401, 'login_refused']);
    } finally {
      Object.assign(world.deps.hasher, { verify });
    }
    const events = await rows(`SELECT outcome FROM audit_outbox WHERE type = 'user.login' AND target_id = $1`, [
      body.user.id,
    ]);
    expect(events).toEqual([{ outcome: 'refused' }]);
    expect(
      await rows(`SELECT 1 FROM sessions WHERE "userId" = $1 AND id <> $2`, [body.user.id, body.session.id]),
    ).toEqual([]);
  });

  test('users deleted and disabled while their sessions sign out: no deadlock, nothing left alive', async () => {
    const opened = await Promise.all(Array.from({ length: 6 }, () => signUp()));
    const answers = await Promise.all(
      opened.flatMap(({ cookie, body }, index) => [
        signOut(cookie).then(({ status }) => status),
        rows(index % 2 ? 'DELETE FROM users WHERE id = $1' : 'UPDATE users SET "disabledAt" = now() WHERE id = $1', [
          body.user.id,
        ]).then(() => 200),
      ]),
    );
    expect(answers.filter((status) => status !== 200 && status !== 401)).toEqual([]);
    const ids = opened.map(({ body }) => body.user.id);
    expect(await rows(`SELECT 1 FROM sessions WHERE "userId" = ANY ($1)`, [ids])).toEqual([]);
    expect(await rows('SELECT 1 FROM refresh_families WHERE user_id = ANY ($1) AND revoked_at IS NULL', [ids])).toEqual(
      [],
    );
  });
});

test('a full hashing queue is 503 with Retry-After, and those refused change nothing', async () => {
  const small = await startIdentityWorld({
    databaseUrl: database.url,
    redisUrl: testRedisUrl(),
    authSecret,
    hashQueue: { capacity: 2, maxWaitSeconds: 60 },
  });
  try {
    const person = newPerson();
    await send(small, 'POST', '/api/auth/signup', { body: person });
    const body = { email: person.email, password: person.password };
    const answers = await Promise.all(
      Array.from({ length: 24 }, () => send(small, 'POST', '/api/auth/signin', { body })),
    );
    const refused = answers.filter((answer) => answer.status !== 200);
    expect(refused.length).toBeGreaterThan(0);
    expect(refused.length).toBeLessThan(24);
    for (const answer of refused) {
      expect([answer.status, answer.body.code]).toEqual([503, 'hashing_busy']);
      expect(Number(answer.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
    }
    const [{ count }] = await rows(
      `SELECT count(*)::int FROM sessions s JOIN users u ON u.id = s."userId" WHERE u.email = $1`,
      [person.email],
    );
    expect(count).toBe(1 + answers.length - refused.length);
  } finally {
    await small.close();
  }
});

test('U9 outside development every cookie is Secure and __Host-', async () => {
  const secure = await startIdentityWorld({
    databaseUrl: database.url,
    redisUrl: testRedisUrl(),
    authSecret,
    secureCookies: true,
    trustedOrigins: ['https://app.sallyport.test'],
  });
  try {
    const person = newPerson();
    const opened = await send(secure, 'POST', '/api/auth/signup', { body: person });
    const [session, csrf] = opened.headers.getSetCookie();
    expect(session).toMatch(
      /^__Host-better-auth\.session_token=.+; Max-Age=2592000; Path=\/; HttpOnly; Secure; SameSite=Lax$/,
    );
    expect(csrf).toMatch(/^__Host-sallyport\.csrf=.+; Path=\/; Max-Age=2592000; SameSite=Lax; Secure$/);
    expect((await send(secure, 'GET', '/api/auth/session', { cookie: opened.cookie })).status).toBe(200);
    const plain = opened.cookie.replaceAll('__Host-', '');
    expect((await send(secure, 'GET', '/api/auth/session', { cookie: plain })).status).toBe(401);
    const listed = { cookie: opened.cookie, headers: { origin: 'https://app.sallyport.test' } };
    expect((await send(secure, 'POST', '/api/auth/signout', listed)).status).toBe(200);
  } finally {
    await secure.close();
  }
});
