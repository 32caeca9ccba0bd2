import { expect, test } from 'vitest';
import { readSession, redisKeyOf, signUp } from '#tools/testing/flows/identity-flows.ts';
import { type IdentityHarness, newPerson, openIdentityHarness, send } from '#tools/testing/harness/identity.ts';
import { opened } from '#tools/testing/opened.ts';

const harness = opened(() =>
  openIdentityHarness({
    // As outside development.
    secureCookies: true,
    trustedOrigins: ['https://app.sallyport.test'],
  }),
);

const rows: IdentityHarness['rows'] = (...asked) => harness.rows(...asked);

test('a session without name, picture, IP address and user agent is the same from Postgres and from Redis', async () => {
  const { body, cookie } = await signUp(harness, newPerson());
  await rows`UPDATE users SET name = NULL, "tokenEpoch" = "tokenEpoch" + 1 WHERE id = ${body.user.id}`;
  await rows`UPDATE sessions SET "ipAddress" = NULL, "userAgent" = NULL WHERE id = ${body.session.id}`;
  await harness.redis.delete(redisKeyOf(cookie));
  const read = async () => (await readSession(harness, cookie)).body;
  const fromPostgres = await read();
  expect(fromPostgres).toMatchObject({
    user: { id: body.user.id, name: null, image: null },
    session: { ipAddress: null, userAgent: null },
  });
  await expect.poll(() => harness.redis.get(redisKeyOf(cookie))).not.toBeNull();
  expect(await read()).toEqual(fromPostgres);
});

test('outside development every cookie is Secure and __Host-, and a listed origin signs out', async () => {
  const opened = await signUp(harness);
  const [session, csrf] = opened.headers.getSetCookie();
  expect(session).toMatch(
    /^__Host-better-auth\.session_token=.+; Max-Age=2592000; Path=\/; HttpOnly; Secure; SameSite=Lax$/,
  );
  expect(csrf).toMatch(/^__Host-sallyport\.csrf=.+; Path=\/; Max-Age=2592000; SameSite=Lax; Secure$/);
  expect((await readSession(harness, opened.cookie)).status).toBe(200);
  const plain = opened.cookie.replaceAll('__Host-', '');
  expect((await readSession(harness, plain)).status).toBe(401);
  const listed = { cookie: opened.cookie, headers: { origin: 'https://app.sallyport.test' } };
  expect((await send(harness, 'POST', '/api/auth/signout', listed)).status).toBe(200);
});

test('signing up ends the session that the request carried', async () => {
  const before = await signUp(harness, newPerson());
  const after = await signUp(harness, newPerson(), { cookie: before.cookie });
  expect(after.status).toBe(201);
  expect((await readSession(harness, before.cookie)).status).toBe(401);
  expect((await readSession(harness, after.cookie)).body.user.id).toBe(after.body.user.id);
});
