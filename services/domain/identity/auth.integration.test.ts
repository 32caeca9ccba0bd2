import { randomBytes, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readSession, redisKeyOf, signUp } from '../../platform/testing/flows/identity-flows.ts';
import { overtaken } from '../../platform/testing/overtaken.ts';
import { createTestDatabase, type TestDatabase, testRedisUrl } from '../../platform/testing/stores.ts';
import {
  type IdentityWorld,
  newPerson,
  send,
  startIdentityWorld,
} from '../../platform/testing/worlds/identity-world.ts';

let database: TestDatabase;
let world: IdentityWorld;
const authSecret = randomBytes(32).toString('base64url');
beforeAll(async () => {
  database = await createTestDatabase();
  world = await startIdentityWorld({
    databaseUrl: database.url,
    redisUrl: testRedisUrl(),
    authSecret,
    // A poll may wait for a busy machine.
    env: { REVOCATION_STALENESS_MS: '60000' },
  });
});
afterAll(async () => {
  await world?.close();
  await database?.drop();
});

const rows = async (text: string, values: unknown[] = []) => (await world.pool.query(text, values)).rows;

describe('Better Auth behind its seam', () => {
  test('who has neither name nor picture, nor came from anywhere, is told so: from Postgres and from Redis', async () => {
    const { body, cookie } = await signUp(world, newPerson());
    await rows('UPDATE users SET name = NULL, "tokenEpoch" = "tokenEpoch" + 1 WHERE id = $1', [body.user.id]);
    await rows('UPDATE sessions SET "ipAddress" = NULL, "userAgent" = NULL WHERE id = $1', [body.session.id]);
    await world.redis.delete(redisKeyOf(cookie));
    const read = async () => (await readSession(world, cookie)).body;
    const fromPostgres = await read();
    expect(fromPostgres).toMatchObject({
      user: { id: body.user.id, name: null, image: null },
      session: { ipAddress: null, userAgent: null },
    });
    await expect.poll(() => world.redis.get(redisKeyOf(cookie))).not.toBeNull();
    expect(await read()).toEqual(fromPostgres);
  });
});

describe('signing up', () => {
  test('beside another with the same address, whichever commits first has it: 409 for the other, and nothing of it', async () => {
    const person = newPerson();
    const first = randomUUID();
    const insert = `INSERT INTO users (id, email) VALUES ($1, '${person.email}')`;
    const answer = await overtaken(world.pool, first, insert, () => signUp(world, person));
    expect([answer.status, answer.body.code, answer.headers.getSetCookie()]).toEqual([409, 'email_taken', []]);
    expect(await rows('SELECT id FROM users WHERE email = $1', [person.email])).toEqual([{ id: first }]);
    expect(await rows('SELECT 1 FROM accounts WHERE "userId" = $1', [first])).toEqual([]);
  });

  test('ends the session that the request came with', async () => {
    const before = await signUp(world, newPerson());
    const after = await signUp(world, newPerson(), { cookie: before.cookie });
    expect(after.status).toBe(201);
    expect((await readSession(world, before.cookie)).status).toBe(401);
    expect((await readSession(world, after.cookie)).body.user.id).toBe(after.body.user.id);
    expect(await rows('SELECT revoke_reason FROM refresh_families WHERE sid = $1', [before.body.session.id])).toEqual([
      { revoke_reason: 'sign_up' },
    ]);
  });
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
    const opened = await signUp(secure);
    const [session, csrf] = opened.headers.getSetCookie();
    expect(session).toMatch(
      /^__Host-better-auth\.session_token=.+; Max-Age=2592000; Path=\/; HttpOnly; Secure; SameSite=Lax$/,
    );
    expect(csrf).toMatch(/^__Host-sallyport\.csrf=.+; Path=\/; Max-Age=2592000; SameSite=Lax; Secure$/);
    expect((await readSession(secure, opened.cookie)).status).toBe(200);
    const plain = opened.cookie.replaceAll('__Host-', '');
    expect((await readSession(secure, plain)).status).toBe(401);
    const listed = { cookie: opened.cookie, headers: { origin: 'https://app.sallyport.test' } };
    expect((await send(secure, 'POST', '/api/auth/signout', listed)).status).toBe(200);
  } finally {
    await secure.close();
  }
});
