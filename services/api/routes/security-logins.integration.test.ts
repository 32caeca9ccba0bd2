import { randomUUID } from 'node:crypto';
import { beforeAll, describe, expect, test } from 'vitest';
import { createAuthenticator } from '#tools/testing/fakes/authenticator.ts';
import type { ProviderAccount } from '#tools/testing/fakes/oidc-provider.ts';
import { codeOf } from '#tools/testing/fakes/totp.ts';
import { act, enrolled } from '#tools/testing/flows/factor-flows.ts';
import { refresh, signUp } from '#tools/testing/flows/flows.ts';
import { API_URL } from '#tools/testing/harness/api.ts';
import { providerAccount } from '#tools/testing/harness/social.ts';
import { cookieOf, expectProblem, type Json, type Received, send } from '#tools/testing/http-client.ts';
import { opened, partOf } from '#tools/testing/opened.ts';
import { from } from './security-harness.ts';
import { openSecuritySocialHarness, type Place } from './security-social-harness.ts';

const harness = opened(() => openSecuritySocialHarness());
let url: string;
const mails = partOf(() => harness.mails);
beforeAll(() => {
  ({ url } = harness.api);
});

const HOME = from('192.0.2.10', 'Firefox on the desk');
const AWAY = from('203.0.113.10', 'curl');

const post = (path: string, json: object, place: Place, cookie = ''): Promise<Received> =>
  send(url, 'POST', path, { json, cookie, headers: { ...place, origin: API_URL } });
/** What the events of the user's sign-ins record about their origin, oldest first. */
const sightings = (userId: string): Promise<Json[]> =>
  harness.rows`
    SELECT detail->>'factor' AS factor, (detail->>'known_device')::boolean AS known, detail->>'elsewhere' AS elsewhere
    FROM audit_outbox WHERE type = 'user.login' AND outcome = 'ok' AND target_id = ${userId} ORDER BY id`;
const isOver = async (login: Received): Promise<boolean> =>
  (await refresh({ api: url }, login.body.tokens.refresh_token)).body.code === 'session_ended';

async function bySocial(who: ProviderAccount, place: Place, cookie = ''): Promise<Received> {
  const login = await harness.byProvider(who, place, cookie);
  expect(login.status, login.text).toBe(200);
  return login;
}

/** Makes earlier device cookies valid: copies' clocks may differ by more than a test takes. */
const aWhileLater = (userId: string) =>
  harness.rows`UPDATE users SET "devicesSince" = now() - interval '1 second' WHERE id = ${userId}`;

const linkedLongAgo = (userId: string) =>
  harness.rows`UPDATE accounts SET "createdAt" = now() - interval '1 day' WHERE "userId" = ${userId}`;

/** A user who signs in by the provider, at home and then elsewhere, and whose account is locked for it. */
async function steppedUp(who: ProviderAccount): Promise<{ readonly id: string; readonly away: Received }> {
  const home = await bySocial(who, HOME);
  const { id } = home.body.user;
  await linkedLongAgo(id);
  await bySocial(who, HOME, cookieOf(home));
  const away = await bySocial(who, AWAY);
  await harness.detect();
  expect(await harness.incidentsOf(id)).toMatchObject([{ actions: ['end_session', 'step_up'] }]);
  return { id, away };
}

type Enrolled = Awaited<ReturnType<typeof enrolled>>;
async function byCode({ person, userId, uri }: Enrolled, place: Place, cookie = ''): Promise<Received> {
  // A code works once, and the tests do not wait for the next one.
  await harness.rows`UPDATE two_factors SET "lastUsedStep" = 0 WHERE "userId" = ${userId}`;
  const { email, password } = person;
  const asked = await post('/api/auth/signin', { email, password }, place, cookie);
  const { challenge } = asked.body;
  const login = await post('/api/auth/second-factor', { challenge, totp: codeOf(uri) }, place, cookie);
  expect(login.status, login.text).toBe(200);
  return login;
}

type Authenticator = ReturnType<typeof createAuthenticator>;
async function byPasskey(authenticator: Authenticator, place: Place, cookie = ''): Promise<Received> {
  const { options, challenge } = (await post('/api/auth/passkey/sign-in/options', {}, place)).body;
  const response = authenticator.get(options, { origin: API_URL });
  const login = await post('/api/auth/passkey/sign-in/verify', { challenge, response }, place, cookie);
  expect(login.status, login.text).toBe(200);
  return login;
}

/** A user with a passkey and no session. */
async function passkeyHolder(): Promise<{ readonly userId: string; readonly authenticator: Authenticator }> {
  const user = await signUp({ api: url });
  const { options, challenge } = (await act({ url }, user.cookie, '/api/auth/passkey/register/options')).body;
  const authenticator = createAuthenticator();
  const response = authenticator.create(options, { origin: API_URL });
  const made = await act({ url }, user.cookie, '/api/auth/passkey/register/verify', { challenge, response, name: 'x' });
  expect(made.status).toBe(201);
  await harness.rows`DELETE FROM sessions WHERE "userId" = ${user.id}`;
  return { userId: user.id, authenticator };
}

describe('every sign-in method is evaluated by the request’s origin', () => {
  test('another provider: a session of a stolen provider account is ended like one of a stolen password', async () => {
    const who = providerAccount();
    const home = await bySocial(who, HOME);
    const { id } = home.body.user;
    await linkedLongAgo(id);
    const again = await bySocial(who, HOME, cookieOf(home));
    const away = await bySocial(who, AWAY);
    expect(await sightings(id)).toEqual([
      { factor: 'social', known: false, elsewhere: null },
      { factor: 'social', known: true, elsewhere: null },
      { factor: 'social', known: false, elsewhere: again.body.session.id },
    ]);
    await harness.detect();
    expect(await harness.incidentsOf(id)).toMatchObject([
      {
        detection: 'impossible_travel',
        actions: ['end_session', 'step_up'],
        detail: { factor: 'social', session_id: away.body.session.id, other_session_id: again.body.session.id },
      },
    ]);
    expect([await isOver(again), await isOver(away)]).toEqual([false, true]);
  });

  test('another provider: an account link made by the sign-in is removed with it, however long its transaction took', async () => {
    const owner = await signUp({ api: url });
    await harness.rows`UPDATE users SET "emailVerified" = now() WHERE id = ${owner.id}`;
    const home = await harness.signInFrom(owner, '192.0.2.10', 'Firefox on the desk');
    const away = await bySocial(providerAccount({ email: owner.email }), AWAY);
    expect((await sightings(owner.id)).at(-1)).toEqual({
      factor: 'social',
      known: false,
      elsewhere: expect.any(String),
    });
    const links = `FROM accounts WHERE "userId" = $1 AND "providerId" = 'company'`;
    // Its transaction began before either: now() in it is the time of its beginning.
    const dated = await harness.rows(
      `SELECT "createdAt" >= (SELECT date_trunc('milliseconds', max(occurred_at)) FROM audit_outbox
         WHERE type = 'user.login' AND outcome = 'ok' AND target_id = $1) AS "isCovered" ${links}`,
      [owner.id],
    );
    expect(dated).toEqual([{ isCovered: true }]);
    await harness.detect();
    expect(await harness.rows(`SELECT 1 ${links}`, [owner.id])).toEqual([]);
    expect([await isOver(home), await isOver(away)]).toEqual([true, true]);
  });

  test('a code with the password, both submitted by an intermediate page', async () => {
    const user = await enrolled({ url });
    await harness.rows`DELETE FROM sessions WHERE "userId" = ${user.userId}`;
    const home = await byCode(user, HOME);
    const again = await byCode(user, HOME, cookieOf(home));
    const away = await byCode(user, AWAY);
    expect(await sightings(user.userId)).toEqual([
      { factor: 'totp', known: false, elsewhere: null },
      { factor: 'totp', known: true, elsewhere: null },
      { factor: 'totp', known: false, elsewhere: again.body.session.id },
    ]);
    await harness.detect();
    expect(await harness.incidentsOf(user.userId)).toMatchObject([
      { detection: 'impossible_travel', actions: ['end_session', 'step_up'], detail: { factor: 'totp' } },
    ]);
    expect([await isOver(again), await isOver(away)]).toEqual([false, true]);
    const { email, password } = user.person;
    const thief = await post('/api/auth/signin', { email, password }, AWAY, cookieOf(away));
    expect([thief.status, thief.body.code]).toEqual([429, 'login_locked']);
  });

  test('a sign-in with a second factor from an address that tries many names is detected as a takeover', async () => {
    const user = await enrolled({ url });
    for (let n = 0; n < 50; n += 1) await harness.failFrom('203.0.113.200', `${randomUUID()}@people.test`);
    const inside = await byCode(user, from('203.0.113.200', 'stuffer'));
    await harness.detect();
    expect(await harness.incidentsOf(user.userId)).toMatchObject([
      { detection: 'account_takeover', actions: ['revoke_sessions', 'step_up'], detail: { factor: 'totp' } },
    ]);
    expect(await isOver(inside)).toBe(true);
  });

  test('a passkey from elsewhere is recorded and ends nothing; the owner of a stepped-up account signs in with it', async () => {
    const { userId, authenticator } = await passkeyHolder();
    const home = await byPasskey(authenticator, HOME);
    const again = await byPasskey(authenticator, HOME, cookieOf(home));
    const away = await byPasskey(authenticator, AWAY);
    expect(await sightings(userId)).toEqual([
      { factor: 'passkey', known: false, elsewhere: null },
      { factor: 'passkey', known: true, elsewhere: null },
      { factor: 'passkey', known: false, elsewhere: again.body.session.id },
    ]);
    await harness.detect();
    expect(await harness.incidentsOf(userId)).toMatchObject([
      { detection: 'unusual_passkey', severity: 'low', actions: [], detail: { session_id: away.body.session.id } },
    ]);
    expect([await isOver(again), await isOver(away)]).toEqual([false, false]);
  });
});

describe('after step_up', () => {
  test('another provider is refused from an unknown device, the attacker’s included, with the error that the password gets', async () => {
    const who = providerAccount();
    const { id, away } = await steppedUp(who);
    for (const [place, cookie] of [
      [HOME, ''],
      [AWAY, cookieOf(away)],
    ] as const) {
      const answer = await harness.byProvider(who, place, cookie);
      expectProblem(answer, 429, 'login_locked');
      expect(answer.headers.getSetCookie()).toEqual([]);
      expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(3_600);
    }
    // A browser is shown the sign-in page, with the methods that still work.
    const shown = await harness.byProvider(who, AWAY, '', { accept: 'text/html,*/*;q=0.8' });
    expect([shown.status, shown.headers.get('content-type')]).toEqual([429, 'text/html; charset=utf-8']);
    expect(shown.text).toMatch(
      /Sign-in temporarily locked\. You can use a passkey.*\/account\/unlock.*action="\/login"/s,
    );
    const events = await harness.rows`SELECT outcome, detail FROM audit_outbox
      WHERE type = 'user.login' AND target_id = ${id} AND outcome <> 'ok'`;
    expect(events).toEqual(
      Array(3).fill({ outcome: 'locked', detail: { factor: 'social', provider: 'company', known_device: false } }),
    );
    // Recorded once.
    const found = await harness.rows`SELECT FROM audit_outbox
      WHERE type = 'user.login' AND outcome = 'refused' AND detail->>'factor' = 'social'`;
    expect(found).toEqual([]);
  });

  test('the unlock mail allows the provider’s sign-in again, and its browser is known', async () => {
    const who = providerAccount();
    const { id } = await steppedUp(who);
    await aWhileLater(id);
    const token = (await mails.to(who.email as string)).at(-1)?.code;
    const unlocked = await post('/api/auth/unlock', { token }, HOME);
    expect(unlocked.status, unlocked.text).toBe(200);
    await bySocial(who, AWAY, cookieOf(unlocked));
    expect((await sightings(id)).at(-1)).toEqual({ factor: 'social', known: true, elsewhere: null });
  });

  test('a known device may sign in by its provider while others are still refused, and so may a passkey', async () => {
    const { userId, authenticator } = await passkeyHolder();
    const [{ email }] = await harness.rows`SELECT email FROM users WHERE id = ${userId}`;
    await harness.rows`UPDATE users SET "emailVerified" = now() WHERE id = ${userId}`;
    const who = providerAccount({ email });
    await harness.closeAccount(userId, email);
    const home = await byPasskey(authenticator, HOME);
    await aWhileLater(userId);
    await harness.rows`DELETE FROM passkeys WHERE "userId" = ${userId}`;
    expectProblem(await harness.byProvider(who, AWAY), 429, 'login_locked');
    await bySocial(who, HOME, cookieOf(home));
    expectProblem(await harness.byProvider(who, AWAY), 429, 'login_locked');
  });

  test('a user with a second factor is asked for it, and signs in with it', async () => {
    const user = await enrolled({ url });
    await harness.rows`UPDATE users SET "emailVerified" = now() WHERE id = ${user.userId}`;
    await harness.closeAccount(user.userId, user.person.email);
    const asked = await harness.byProvider(providerAccount({ email: user.person.email }), AWAY);
    expectProblem(asked, 401, 'second_factor_required');
    await harness.rows`UPDATE two_factors SET "lastUsedStep" = 0 WHERE "userId" = ${user.userId}`;
    const { challenge } = asked.body;
    const login = await post('/api/auth/second-factor', { challenge, totp: codeOf(user.uri) }, AWAY);
    expect(login.status, login.text).toBe(200);
  });
});
