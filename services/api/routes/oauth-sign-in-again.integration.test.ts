import { beforeAll, describe, expect, test } from 'vitest';
import { claimsIn, signUp, type TestUser } from '#tools/testing/flows/flows.ts';
import { type Browser, openBrowser } from '#tools/testing/flows/oauth-browser.ts';
import { API_URL } from '#tools/testing/harness/api.ts';
import { ALLOW, browserOf, newVerifier } from '#tools/testing/harness/oauth.ts';
import { type ClientCredentials, type Json, send } from '#tools/testing/http-client.ts';
import { opened } from '#tools/testing/opened.ts';
import { type CodeHarness, openCodeHarness, WEB_REDIRECT } from './oauth-code-harness.ts';

const harness = opened(() => openCodeHarness());
/** Two applications that are told of sign-outs. */
let mail: ClientCredentials;
let bank: ClientCredentials;
beforeAll(async () => {
  [mail, bank] = [await harness.newSite(), await harness.newSite()];
  await harness.rows`UPDATE oauth_clients SET backchannel_logout_uri = 'https://app.example.test/out'
    WHERE "clientId" = ANY (${[mail.client_id, bank.client_id]})`;
});

const rows: CodeHarness['rows'] = (...asked) => harness.rows(...asked);
const SCOPE = 'openid email offline_access';
const refreshAt = (client: ClientCredentials, { refresh_token }: Json) =>
  send(harness.api.url, 'POST', '/oauth2/token', {
    basic: client,
    form: { grant_type: 'refresh_token', refresh_token },
  });
const userInfo = ({ access_token }: Json) => send(harness.api.url, 'GET', '/oauth2/userinfo', { bearer: access_token });
const logoutsOf = async ({ id }: TestUser) =>
  (await rows`SELECT client_id FROM logout_tokens WHERE user_id = ${id} ORDER BY 1`).map((row) => row.client_id);
const cookieIn = ({ cookies }: Browser) => [...cookies].map(([name, value]) => `${name}=${value}`).join('; ');
const sessionBy = (cookie: string) => send(harness.api.url, 'GET', '/api/auth/session', { cookie });

/** Signs in to an application in this browser, by password where it asks for one, and returns its tokens. */
async function signInTo(
  client: ClientCredentials,
  browser: Browser,
  user: TestUser,
  members: Readonly<Record<string, string>> = {},
): Promise<Json> {
  const verifier = newVerifier();
  const path = harness.authorizePath(client, verifier, { redirect_uri: WEB_REDIRECT, scope: SCOPE, ...members });
  let shown = await browser.open(path);
  if (shown.text.includes('action="/login"'))
    shown = await browser.submit(shown, { email: user.email, password: user.password }, '/login');
  if (shown.leftFor === null) shown = await browser.submit(shown, ALLOW);
  const code = shown.leftFor?.searchParams.get('code') ?? '';
  const { status, body } = await harness.redeem(code, verifier, {}, client);
  expect(status, JSON.stringify(body)).toBe(200);
  return body;
}

/** Makes the sign-in of a session a minute older. */
async function age(sessionId: string): Promise<void> {
  const [{ token }] = await rows`UPDATE sessions
    SET "createdAt" = "createdAt" - interval '1 minute', "authenticatedAt" = "authenticatedAt" - interval '1 minute'
    WHERE id = ${sessionId} RETURNING token`;
  await harness.api.ports.auth.forget(token);
}

describe('an application that asks a user to sign in again', () => {
  test.each([
    ['by prompt=login', { prompt: 'login' }],
    ['by max_age', { max_age: '30' }],
  ])('%s signs the user out of no other application, and gets a new auth_time', async (_how, members) => {
    const user = await signUp({ api: harness.api.url });
    const browser = browserOf(harness.api, user);
    const atMail = await signInTo(mail, browser, user);
    const atBank = await signInTo(bank, browser, user);
    await age(user.sessionId);
    const former = cookieIn(browser);
    const [again, refreshed] = await Promise.all([signInTo(bank, browser, user, members), refreshAt(mail, atMail)]);
    expect(refreshed.status).toBe(200);
    expect((await refreshAt(mail, refreshed.body)).status).toBe(200);
    expect((await userInfo(atMail)).status).toBe(200);
    const [first, second] = [claimsIn(atBank.id_token), claimsIn(again.id_token)];
    expect([first.sid, second.sid]).toEqual([user.sessionId, user.sessionId]);
    expect(second.auth_time).toBeGreaterThanOrEqual(first.auth_time);
    expect(Date.now() / 1_000 - second.auth_time).toBeLessThan(30);
    expect(await logoutsOf(user)).toEqual([]);
    expect([(await sessionBy(former)).status, (await sessionBy(cookieIn(browser))).status]).toEqual([401, 200]);
    // The time of its own sign-in (OpenID Connect Core §12.2).
    const renewed = claimsIn((await refreshAt(mail, (await refreshAt(mail, refreshed.body)).body)).body.access_token);
    expect(renewed.auth_time).toBe(claimsIn(atMail.access_token).auth_time);
  });

  test('a step-up keeps the applications too, and a sign-out in one tab afterwards ends them all', async () => {
    const user = await signUp({ api: harness.api.url });
    const browser = browserOf(harness.api, user);
    const [atMail, atBank] = [await signInTo(mail, browser, user), await signInTo(bank, browser, user)];
    const tab = openBrowser(harness.api.url, API_URL);
    const stepped = await send(harness.api.url, 'POST', '/api/auth/step-up', {
      cookie: cookieIn(browser),
      json: { password: user.password },
      headers: { origin: API_URL },
    });
    expect([stepped.status, stepped.body.session.id]).toEqual([200, user.sessionId]);
    for (const line of stepped.headers.getSetCookie()) {
      const [pair = ''] = line.split(';', 1);
      tab.cookies.set(pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1));
    }
    const refreshed = await refreshAt(mail, atMail);
    expect([refreshed.status, await logoutsOf(user)]).toEqual([200, []]);
    await tab.submit(await tab.open('/login'), {}, '/logout');
    expect((await sessionBy(cookieIn(browser))).status).toBe(401);
    for (const [client, tokens] of [
      [mail, refreshed.body],
      [bank, atBank],
    ] as const)
      expect((await refreshAt(client, tokens)).body.code).toBe('session_ended');
    expect(await logoutsOf(user)).toEqual([mail.client_id, bank.client_id].sort());
  });

  test('another user who signs in instead ends the session, and its applications learn of it', async () => {
    const [user, other] = [await signUp({ api: harness.api.url }), await signUp({ api: harness.api.url })];
    const browser = browserOf(harness.api, user);
    const atMail = await signInTo(mail, browser, user);
    const atBank = await signInTo(bank, browser, other, { prompt: 'login' });
    expect(claimsIn(atBank.id_token).sub).toBe(other.id);
    expect((await refreshAt(mail, atMail)).body.code).toBe('session_ended');
    expect((await userInfo(atMail)).status).toBe(401);
    expect(await logoutsOf(user)).toEqual([mail.client_id]);
  });
});

test('a page that asks to sign in again says why, with the account filled in, and lets another one be used', async () => {
  const user = await signUp({ api: harness.api.url });
  const browser = browserOf(harness.api, user);
  const open = (members: Readonly<Record<string, string>>) =>
    browser.open(harness.authorizePath(bank, newVerifier(), { redirect_uri: WEB_REDIRECT, ...members }));
  const asked = await open({ prompt: 'login' });
  expect(asked.text).toContain('asks you to confirm that it is you');
  expect(asked.text).toContain(
    `name="email" type="email" autocomplete="username" required maxlength="254" value="${user.email}"`,
  );
  const wrong = await browser.submit(asked, { email: user.email, password: 'not the right one' }, '/login');
  expect(wrong.text).toContain('asks you to confirm that it is you');
  const [, other = ''] = /<a href="([^"]+another=1)">Use another account</.exec(asked.text) ?? [];
  const plain = await browser.open(other.replaceAll('&amp;', '&'));
  expect(plain.text).toContain('asks you to sign in');
  expect(plain.text).not.toContain(user.email);
  await age(user.sessionId);
  expect((await open({ max_age: '1' })).text).toContain('asks you to confirm that it is you');
  const hinted = await open({ prompt: 'login', login_hint: 'someone@people.test' });
  expect(hinted.text).toContain('value="someone@people.test"');
  expect(hinted.text).toContain('asks you to sign in');
  const { id_token: ofOther } = await signInTo(
    bank,
    browserOf(harness.api, await signUp({ api: harness.api.url })),
    user,
  );
  const expected = await open({ prompt: 'login', id_token_hint: ofOther });
  expect(expected.text).toContain('asks you to sign in');
  expect(expected.text).not.toContain(user.email);
});
