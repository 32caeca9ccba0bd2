import { randomBytes } from 'node:crypto';
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { readSession, redisKeyOf, signIn, signOut, signUp } from '#tools/testing/flows/identity-flows.ts';
import { asShipped } from '#tools/testing/harness/busy-machine.ts';
import { newPerson, send, startIdentityHarness } from '#tools/testing/harness/identity.ts';
import { queryRows, rawSql } from '#tools/testing/harness/ports.ts';
import { createTestDatabase, testRedisUrl } from '#tools/testing/harness/stores.ts';
import type { Json } from '#tools/testing/http-client.ts';
import { opened } from '#tools/testing/opened.ts';
import { startTcpProxy } from '#tools/testing/processes/tcp-proxy.ts';

asShipped();

const authSecret = randomBytes(32).toString('base64url');

const database = opened(createTestDatabase);
const postgres = opened(() => startTcpProxy(database.url));
const redis = opened(() => startTcpProxy(testRedisUrl()));
const harness = opened(() =>
  startIdentityHarness({ databaseUrl: postgres.url, redisUrl: redis.url, authSecret, isHurried: true }),
);
beforeEach(async () => {
  await expect.poll(() => harness.redis.isReady(), { timeout: 60_000 }).toBe(true);
  await expect.poll(() => harness.revocations.refusal(), { timeout: 60_000 }).toBeNull();
});

const rows = rawSql<Json>((text, values) => queryRows(database.url)(text, values));
const isRedisGone = () => expect.poll(() => harness.redis.isReady(), { timeout: 60_000 }).toBe(false);

describe('Redis unreachable', () => {
  test('reads sessions from Postgres; sign-up, sign-in and sign-out keep working', async () => {
    const person = newPerson();
    const before = await signUp(harness, person);
    await redis.cut();
    await isRedisGone();
    expect((await readSession(harness, before.cookie)).body.session.id).toBe(before.body.session.id);
    const opened = await signIn(harness, person);
    expect(opened.status).toBe(200);
    expect((await readSession(harness, opened.cookie)).status).toBe(200);
    expect((await signUp(harness)).status).toBe(201);
    expect((await signOut(harness, opened.cookie)).status).toBe(200);
    expect((await readSession(harness, opened.cookie)).status).toBe(401);
    await redis.restore();
  });

  test('after a sign-out with Redis down, the stale session in Redis is 401 once Redis is back, on this copy and on a new one', async () => {
    const { cookie, body } = await signUp(harness);
    expect((await readSession(harness, cookie)).status).toBe(200);
    await redis.cut();
    await isRedisGone();
    expect((await signOut(harness, cookie)).status).toBe(200);
    await redis.restore();
    await expect.poll(() => harness.redis.isReady(), { timeout: 60_000 }).toBe(true);
    expect(await harness.redis.get(redisKeyOf(cookie))).not.toBeNull();
    expect((await readSession(harness, cookie)).status).toBe(401);
    await harness.poll.wake();
    expect(harness.revocations.isSessionEnded(body.session.id)).toBe(true);
    expect((await readSession(harness, cookie)).status).toBe(401);
    expect(await rows`SELECT 1 FROM sessions WHERE id = ${body.session.id}`).toEqual([]);
    const later = await startIdentityHarness({ databaseUrl: database.url, redisUrl: redis.url, authSecret });
    onTestFinished(() => later.close());
    await expect.poll(() => later.redis.isReady(), { timeout: 60_000 }).toBe(true);
    expect((await readSession(later, cookie)).status).toBe(401);
  });

  test('a frozen Redis delays responses and does not change them', async () => {
    const person = newPerson();
    const { cookie } = await signUp(harness, person);
    redis.freeze();
    expect((await readSession(harness, cookie)).status).toBe(200);
    const opened = await signIn(harness, person);
    expect(opened.status).toBe(200);
    expect((await signOut(harness, opened.cookie)).status).toBe(200);
    redis.thaw();
  });
});

describe('Postgres unreachable', () => {
  test('answers every write with 503 and Retry-After, confirms no sign-out that did not happen, and recovers', async () => {
    const person = newPerson();
    const { cookie, body } = await signUp(harness, person);
    await postgres.cut();
    const out = await signOut(harness, cookie);
    expect([out.status, out.body.retryable, Number(out.headers.get('retry-after')) >= 1]).toEqual([503, true, true]);
    expect(out.headers.getSetCookie()).toEqual([]);
    expect((await signIn(harness, person)).status).toBe(503);
    expect((await signIn(harness, newPerson())).status).toBe(503);
    expect((await signUp(harness)).status).toBe(503);
    const asked = await send(harness, 'POST', '/api/auth/passkey/sign-in/options');
    expect([asked.status, asked.body.code]).toEqual([503, 'store_unavailable']);
    await postgres.restore();
    await expect.poll(async () => (await readSession(harness, cookie)).status, { timeout: 60_000 }).toBe(200);
    expect(await rows`SELECT revoked_at FROM refresh_families WHERE sid = ${body.session.id}`).toEqual([
      { revoked_at: null },
    ]);
    expect((await signOut(harness, cookie)).status).toBe(200);
    expect((await readSession(harness, cookie)).status).toBe(401);
  });

  test('a copy that may have missed revocations trusts no cached session: it answers 503 until it knows the state', async () => {
    const { cookie, body } = await signUp(harness);
    await postgres.cut();
    await expect.poll(() => harness.revocations.refusal(), { timeout: 60_000 }).toBe('revocation_state_stale');
    const stale = await readSession(harness, cookie);
    expect([stale.status, stale.body.code]).toEqual([503, 'revocation_state_stale']);
    // Ended through another copy in the meantime.
    await rows`DELETE FROM sessions WHERE id = ${body.session.id}`;
    await postgres.restore();
    await expect.poll(() => harness.revocations.refusal(), { timeout: 60_000 }).toBeNull();
    expect((await readSession(harness, cookie)).status).toBe(401);
  });
});

test('a full hashing queue answers 503 with Retry-After, and refused requests change nothing', async () => {
  const small = await startIdentityHarness({
    databaseUrl: database.url,
    redisUrl: testRedisUrl(),
    authSecret,
    hashQueue: { capacity: 2, maxWaitSeconds: 60 },
  });
  onTestFinished(() => small.close());
  const person = newPerson();
  await signUp(small, person);
  const answers = await Promise.all(Array.from({ length: 24 }, () => signIn(small, person)));
  const refused = answers.filter((answer) => answer.status !== 200);
  expect(refused.length).toBeGreaterThan(0);
  expect(refused.length).toBeLessThan(24);
  for (const answer of refused) {
    expect([answer.status, answer.body.code]).toEqual([503, 'hashing_busy']);
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
  }
  const [{ count }] =
    await rows`SELECT count(*)::int FROM sessions s JOIN users u ON u.id = s."userId" WHERE u.email = ${person.email}`;
  expect(count).toBe(1 + answers.length - refused.length);
});
