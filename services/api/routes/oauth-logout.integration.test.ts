import { expect, test } from 'vitest';
import { createClient } from '#services/core/access/create-client.ts';
import type { TestUser } from '#tools/testing/flows/flows.ts';
import { newSignedIn } from '#tools/testing/flows/signed-in.ts';
import { API_URL, openApiHarness } from '#tools/testing/harness/api.ts';
import { askToken, browserOf, codeForm, codeOf, LOOPBACK_REDIRECT, newVerifier } from '#tools/testing/harness/oauth.ts';
import { testCaller } from '#tools/testing/harness/ports.ts';
import { type ClientCredentials, type Json, send } from '#tools/testing/http-client.ts';
import { opened } from '#tools/testing/opened.ts';

const BYE = 'https://app.example.test/bye?tenant=1';
const PATH = '/oauth2/end_session';

const harness = opened(() => openApiHarness());
const api = opened(() => harness.startCopy({ hashes: false }));
const site = opened(() => newClient('Tasks <b>', [BYE]));

async function newClient(name: string, postLogoutRedirectUris: readonly string[]): Promise<ClientCredentials> {
  const made = await createClient(
    api.ports,
    {
      name,
      grant_types: ['authorization_code', 'refresh_token'],
      scopes: ['openid'],
      redirect_uris: [LOOPBACK_REDIRECT],
      post_logout_redirect_uris: postLogoutRedirectUris,
    },
    testCaller,
  );
  await api.ports.access.load();
  return { client_id: made.clientId, client_secret: made.clientSecret as string };
}

async function loginOf(user: TestUser, client = site): Promise<Json> {
  const verifier = newVerifier();
  const code = await codeOf(api, user, client.client_id, verifier);
  return (await askToken(api, client, codeForm(code, verifier))).body;
}

type Members = Readonly<Record<string, string>>;
const pathWith = (members: Members) => `${PATH}?${new URLSearchParams(members)}`;
const isSignedIn = async (user: TestUser) =>
  (await send(api.url, 'GET', '/api/auth/session', { cookie: user.cookie })).status === 200;
const refreshed = async (login: Json) =>
  (await askToken(api, site, { grant_type: 'refresh_token', refresh_token: login.refresh_token })).body;
const whereTo = (url: URL | null) => url?.href ?? null;

test('with an ID token of the session, a client signs its user out of everything at once and gets the browser back', async () => {
  const { body: told } = await send(api.url, 'GET', '/.well-known/openid-configuration');
  expect(told.end_session_endpoint).toBe(`${API_URL}${PATH}`);
  const user = await newSignedIn(api);
  const login = await loginOf(user);
  const browser = browserOf(api, user);
  const left = await browser.open(
    pathWith({ id_token_hint: login.id_token, post_logout_redirect_uri: BYE, state: 'a state &=', ui_locales: 'de' }),
  );
  expect(whereTo(left.leftFor)).toBe(`${BYE}&state=a+state+%26%3D`);
  expect(left.headers.get('referrer-policy')).toBe('no-referrer');
  expect(await isSignedIn(user)).toBe(false);
  expect([...browser.cookies.keys()].filter((name) => name.includes('session'))).toEqual([]);
  expect((await refreshed(login)).error).toBe('invalid_grant');
  const { body: verdict } = await send(api.url, 'POST', '/v1/tokens/validate', { json: { token: login.access_token } });
  expect(verdict.active).toBe(false);
  // The user is already signed out: there is nothing to confirm.
  expect(
    whereTo((await browser.open(pathWith({ client_id: site.client_id, post_logout_redirect_uri: BYE }))).leftFor),
  ).toBe(BYE);
  expect((await browser.open(PATH)).text).toContain('You are signed out');
});

test('without an ID token, or with one of another session, the user must confirm, on a page valid only for this browser', async () => {
  const [user, other] = [await newSignedIn(api), await newSignedIn(api)];
  const foreign = await loginOf(other);
  for (const members of [
    {},
    { id_token_hint: '' },
    { id_token_hint: foreign.id_token as string },
    { id_token_hint: foreign.access_token as string },
    { client_id: site.client_id, post_logout_redirect_uri: BYE, state: 's' },
  ] as readonly Members[]) {
    const browser = browserOf(api, user);
    const asked = await browser.open(pathWith(members));
    expect([asked.status, asked.text.includes(user.email)]).toEqual([200, true]);
    expect((await browserOf(api, other).submit(asked, {})).status).toBe(403);
  }
  const browser = browserOf(api, user);
  const asked = await browser.open(pathWith({ client_id: site.client_id, post_logout_redirect_uri: BYE, state: 's' }));
  expect(asked.text).toContain('Tasks &lt;b&gt;');
  expect(asked.headers.get('content-security-policy')).toContain("form-action 'self' https://app.example.test;");
  expect(await isSignedIn(user)).toBe(true);
  expect(whereTo((await browser.submit(asked, {})).leftFor)).toBe(`${BYE}&state=s`);
  expect(await isSignedIn(user)).toBe(false);
  expect(await isSignedIn(other)).toBe(true);
});

test('without a named client, the user signs out and stays on our page', async () => {
  const user = await newSignedIn(api);
  const browser = browserOf(api, user);
  const asked = await browser.open(PATH);
  expect(asked.text).not.toContain('asks you to sign out');
  expect((await browser.submit(asked, {})).text).toContain('You are signed out');
  expect(await isSignedIn(user)).toBe(false);
});

test('a sign-out that cannot return to the application says so, and signs out all the same', async () => {
  const lost: readonly Members[] = [
    { post_logout_redirect_uri: BYE },
    { client_id: 'unknown', post_logout_redirect_uri: BYE },
  ];
  for (const members of lost) {
    const user = await newSignedIn(api);
    const browser = browserOf(api, user);
    const asked = await browser.open(pathWith(members));
    expect([asked.status, asked.text.includes('We do not know where to send you back')]).toEqual([400, true]);
    const done = await browser.submit(asked, {});
    expect([done.status, done.leftFor, done.text.includes('You are signed out')]).toEqual([200, null, true]);
    expect(await isSignedIn(user)).toBe(false);
    const again = await browser.open(pathWith(members));
    expect([again.status, again.text.includes('We do not know where to send you back')]).toEqual([400, true]);
  }
});

test('an unregistered address is never redirected to, and the user is not signed out without a click', async () => {
  const user = await newSignedIn(api);
  const login = await loginOf(user);
  const other = await newClient('Other', ['https://other.example.test/bye']);
  const hint = { id_token_hint: login.id_token as string };
  for (const members of [
    { ...hint, post_logout_redirect_uri: `${BYE}/` },
    { ...hint, post_logout_redirect_uri: LOOPBACK_REDIRECT },
    { ...hint, post_logout_redirect_uri: 'javascript:alert(1)' },
    { ...hint, client_id: other.client_id },
    { ...hint, client_id: other.client_id, post_logout_redirect_uri: 'https://other.example.test/bye' },
    { client_id: 'unknown', post_logout_redirect_uri: BYE },
    { post_logout_redirect_uri: BYE },
  ] as readonly Members[])
    for (const shown of [
      await browserOf(api, user).open(pathWith(members)),
      await send(api.url, 'POST', PATH, { form: members, cookie: user.cookie }),
    ])
      expect([shown.status, shown.headers.get('location')], JSON.stringify(members)).toEqual([400, null]);
  await harness.rows`UPDATE oauth_clients SET disabled = true WHERE "clientId" = ${other.client_id}`;
  await api.ports.access.load();
  const disabled = { client_id: other.client_id, post_logout_redirect_uri: 'https://other.example.test/bye' };
  expect((await browserOf(api, user).open(pathWith(disabled))).status).toBe(400);
  expect(await isSignedIn(user)).toBe(true);
});

test('by POST the ID token appears in no address: with the cookie it signs out, without it the user must confirm', async () => {
  const user = await newSignedIn(api);
  const login = await loginOf(user);
  const form = { id_token_hint: login.id_token as string, post_logout_redirect_uri: BYE, state: 's' };
  const cross = await send(api.url, 'POST', PATH, { form, headers: { origin: 'https://app.example.test' } });
  expect([cross.status, cross.headers.get('location')]).toEqual([
    303,
    pathWith({ client_id: site.client_id, post_logout_redirect_uri: BYE, state: 's' }),
  ]);
  const asked = await browserOf(api, user).open(cross.headers.get('location') as string);
  expect(asked.text).toContain('asks you to sign out');
  expect((await send(api.url, 'POST', PATH, { form: {} })).headers.get('location')).toBe(`${PATH}?`);
  const same = await send(api.url, 'POST', PATH, { form, cookie: user.cookie });
  expect([same.status, same.headers.get('location')]).toEqual([303, `${BYE}&state=s`]);
  expect(await isSignedIn(user)).toBe(false);
});

test('a form of a session that has ended meanwhile continues as signed out', async () => {
  const user = await newSignedIn(api);
  const browser = browserOf(api, user);
  const asked = await browser.open(pathWith({ client_id: site.client_id, post_logout_redirect_uri: BYE }));
  const { status } = await send(api.url, 'POST', '/api/auth/signout', {
    cookie: user.cookie,
    headers: { origin: API_URL },
  });
  expect(status).toBe(200);
  expect(whereTo((await browser.submit(asked, {})).leftFor)).toBe(BYE);
});
