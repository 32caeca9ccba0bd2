// About: services/pages/
import * as oauth from 'oauth4webapi';
import type { Page } from 'playwright-core';
import { beforeAll, describe, expect, test } from 'vitest';
import { disablePasswordSignIn } from '#services/core/identity/sign-in/sign-in-guard.ts';
import { codeOf } from '#tools/testing/fakes/totp.ts';
import { enrolled } from '#tools/testing/flows/factor-flows.ts';
import { signUp, type TestUser } from '#tools/testing/flows/flows.ts';
import { openBrowser } from '#tools/testing/flows/oauth-browser.ts';
import { expectReadable, openBrowserHarness, PAGES_ORIGIN, type Visit, visit } from '#tools/testing/harness/browser.ts';
import { send } from '#tools/testing/http-client.ts';
import { openMailFolder } from '#tools/testing/mail-folder.ts';
import { opened } from '#tools/testing/opened.ts';
import { COME_BACK_SCRIPT } from './page-script.ts';
import {
  addAuthenticator,
  button,
  type Credentials,
  discoverIssuer,
  formPage,
  heading,
  newAuthorization,
  newPagesClient,
  reachByTab,
  registerPasskey,
  seen,
  signInOn,
  textOf,
  viaApi,
} from './pages-harness.ts';

const SCOPES = ['openid', 'email', 'offline_access', 'tasks:read'];
/** A client name that imitates another client or tries to run a script. */
const HOSTILE_NAME = `Tasks</strong><img src=x onerror=alert(1)><script>alert(2)</script>"'&amp;`;

const harness = opened(openBrowserHarness);
let user: TestUser;
let client: oauth.Client;
let redirectUri: string;

beforeAll(async () => {
  user = await signUp({ api: harness.api.url });
  redirectUri = `${harness.site}/callback`;
  client = await newPagesClient(harness.api, HOSTILE_NAME, redirectUri, SCOPES);
});

const discover = () => discoverIssuer(harness.api);
const authorization = () => newAuthorization(harness.api, client, redirectUri, SCOPES);
const submitSignIn = (page: Page, credentials: Credentials = user) => signInOn(page, credentials);
const alertOn = (page: Page) => textOf(page.getByRole('alert').first());

/** From a client through sign-in and consent and back; returns what was shown. @param look called on each page */
async function journey({ page }: Visit, look: (page: Page) => Promise<void> = async () => {}): Promise<string[]> {
  const { address, redeem } = await authorization();
  const pages: string[] = [];
  const pass = async () => {
    pages.push(await seen(page));
    await look(page);
  };
  await page.goto(address);
  await pass();
  await submitSignIn(page, { ...user, password: 'not the right password' });
  await pass();
  expect(await alertOn(page)).toBe(
    'E-mail or password is wrong. Check the e-mail address and the password, and try again.',
  );
  expect(await page.getByLabel('E-mail').inputValue()).toBe(user.email);
  expect(await page.getByLabel('Password', { exact: true }).inputValue()).toBe('');
  await submitSignIn(page);
  await pass();
  await page.getByLabel('use tasks:read for you').uncheck();
  await button(page, 'Allow').click();
  await page.waitForURL(`${redirectUri}?*`);
  const tokens = await redeem(page.url());
  expect(tokens.scope).toBe('openid email offline_access');
  expect(oauth.getValidatedIdTokenClaims(tokens)?.sub).toBe(user.id);
  await page.goto('/login');
  await pass();
  await button(page, 'Sign out').click();
  expect(await heading(page)).toBe('Sign in');
  expect((await page.context().cookies()).filter(({ name }) => name.endsWith('session_token'))).toEqual([]);
  return pages;
}

describe('sign-in and consent', () => {
  test('a page that asks a signed-in user to sign in again is readable, with the account filled in', async () => {
    const { page } = await harness.visit({ locale: 'de-DE' }, user);
    await page.goto(`${(await authorization()).address}&prompt=login`);
    expect(await seen(page)).toContain('bittet Sie zu bestätigen, dass Sie es sind.');
    expect(await page.getByLabel('E-Mail').inputValue()).toBe(user.email);
    await expectReadable(page);
    await page.getByRole('link', { name: 'Anderes Konto verwenden' }).click();
    expect(await page.getByLabel('E-Mail').inputValue()).toBe('');
  });

  test.each([
    ['by itself', true],
    ['by its button with JavaScript off', false],
  ])('a response in a form reaches the client %s, and the page is readable', async (_how, javaScriptEnabled) => {
    const { page } = await harness.visit({ javaScriptEnabled }, user);
    const posted = page.waitForRequest((request) => request.url() === redirectUri && request.method() === 'POST');
    const { address, redeem } = await authorization();
    await page.goto(`${address}&response_mode=form_post`);
    // An answer without content keeps the page, to look at it.
    if (javaScriptEnabled) await page.route(redirectUri, (route) => route.fulfill({ status: 204 }));
    await button(page, 'Allow').click();
    // axe-core needs script.
    if (javaScriptEnabled) await posted.then(() => expectReadable(page));
    await page.unroute(redirectUri);
    await button(page, `Continue to ${new URL(redirectUri).host}`).click();
    const fields = (await posted).postData() ?? '';
    await page.waitForURL(redirectUri);
    const tokens = await redeem(`${redirectUri}?${fields}`);
    expect(oauth.getValidatedIdTokenClaims(tokens)?.sub).toBe(user.id);
  });

  test('an outside client gets its code through the pages and redeems it; pages are readable in light and dark, narrow and wide, and work with JavaScript off', async () => {
    const withScript = await journey(await harness.visit(), expectReadable);
    // As narrow as the other was last: the account page then shows no initial of the name.
    const narrow = { javaScriptEnabled: false, viewport: { width: 320, height: 800 } };
    const without = await journey(await harness.visit(narrow));
    const words = (text: string) => text.replaceAll(/Sign in with a passkey|Show password/g, '').split(/\s+/);
    expect(withScript.map(words)).toEqual(without.map(words));
    expect(without.join()).not.toContain('Show password');
    expect(without.join()).not.toContain('passkey');
  });

  test('consent names client, account, host and each permission; markup in a client’s name is shown as text', async () => {
    const leaver = await signUp({ api: harness.api.url });
    const { page } = await harness.visit({}, leaver);
    await page.goto((await authorization()).address);
    const text = await seen(page);
    for (const said of [HOSTILE_NAME, leaver.email, new URL(redirectUri).host, 'tasks:read', 'sign you in'])
      expect(text).toContain(said);
    expect(await heading(page)).toBe(`Allow ${HOSTILE_NAME} to access your account?`);
    expect(await page.title()).toContain(HOSTILE_NAME);
    expect(await page.locator('main img').count()).toBe(0);
    expect(await page.locator('script:not([src])').allTextContents()).toEqual([COME_BACK_SCRIPT]);
    // Using another account signs out the current user, and the request continues.
    await button(page, 'Use another account').click();
    expect(await heading(page)).toBe('Sign in');
    expect((await send(harness.api.url, 'GET', '/api/auth/session', { cookie: leaver.cookie })).status).toBe(401);
    await submitSignIn(page);
    expect(await seen(page)).toContain(user.email);
    await button(page, 'Deny').click();
    await page.waitForURL(`${redirectUri}?*error=access_denied*`);
  });

  test('the pages work by keyboard alone and show the focus', async () => {
    const { page } = await harness.visit();
    const { address, redeem } = await authorization();
    await page.goto(address);
    const tabTo = (name: string) => reachByTab(page, name);
    await tabTo('E-mail');
    await page.keyboard.type(user.email);
    await tabTo('Password');
    await page.keyboard.type(user.password);
    await page.keyboard.press('Enter');
    await page.waitForURL('**/oauth2/authorize?*');
    await tabTo('use tasks:read for you');
    await page.keyboard.press('Space');
    await tabTo('Allow');
    await page.keyboard.press('Enter');
    await page.waitForURL(`${redirectUri}?*`);
    expect((await redeem(page.url())).scope).toBe('openid email offline_access');
  });

  test('a second factor has its own page; a wrong code shows what to do next, the right one continues', async () => {
    const { person, uri } = await enrolled(harness.api);
    const { page } = await harness.visit();
    await page.goto((await authorization()).address);
    await submitSignIn(page, { ...user, ...person });
    await expectReadable(page);
    const field = page.getByLabel('The code in your authenticator app, or a recovery code');
    await field.fill('wrong-recovery-code');
    await button(page, 'Continue').click();
    expect(await alertOn(page)).toMatch(/Wait until your app shows the next code .* or use a recovery code\.$/);
    // The current code was used to enrol.
    await field.fill(codeOf(uri, 1));
    await button(page, 'Continue').click();
    expect(await heading(page)).toContain('access your account?');
  });
});

describe('passkeys', () => {
  test('a passkey created in the browser signs in on the page without a password, and the client gets its code', async () => {
    const own = await signUp({ api: harness.api.url });
    const { page, context } = await harness.visit({}, own);
    await addAuthenticator(page);
    const { address, redeem } = await authorization();
    await page.goto('/login?next=/device');
    // The user has no passkey yet.
    await button(page, 'Sign in with a passkey').click();
    await page.getByText('No passkey was used.').waitFor();
    expect(await registerPasskey(page)).toBe(201);
    await context.clearCookies();
    await page.goto(address);
    await button(page, 'Sign in with a passkey').click();
    await button(page, 'Allow').click();
    await page.waitForURL(`${redirectUri}?*`);
    const claims = oauth.getValidatedIdTokenClaims(await redeem(page.url()));
    expect(claims).toMatchObject({ sub: own.id, acr: 'aal2', amr: expect.arrayContaining(['user', 'mfa']) });
  });

  test.each([
    ['no JSON', 'no JSON'],
    ['no assertion', '{}'],
    [
      'an unknown passkey',
      JSON.stringify({
        id: 'AAAA',
        rawId: 'AAAA',
        type: 'public-key',
        clientExtensionResults: {},
        response: { clientDataJSON: 'AAAA', authenticatorData: 'AAAA', signature: 'AAAA' },
      }),
    ],
  ])('a response without a known passkey is refused by a message on the page: %s', async (_name, response) => {
    const browser = openBrowser(harness.api.url, PAGES_ORIGIN);
    const login = await browser.open('/login');
    const form = { ...login, text: login.text.replace('action="/login"', 'action="/login/passkey"') };
    const refused = await browser.submit(form, { challenge: '0123456789abcdef', response });
    expect(refused.status).toBe(401);
    expect(refused.text).toContain('Try another passkey, or sign in with your password.');
  });
});

describe('devices', () => {
  test('a device code is typed, compared and allowed; an unknown code shows what to do next', async () => {
    const as = await discover();
    const asked = await oauth.deviceAuthorizationRequest(
      as,
      client,
      oauth.None(),
      { scope: 'openid' },
      viaApi(harness.api),
    );
    const grant = await oauth.processDeviceAuthorizationResponse(as, client, asked);
    const { page } = await harness.visit({}, user);
    await page.goto(grant.verification_uri);
    await expectReadable(page);
    const field = page.getByLabel('The code that your device shows');
    await field.fill('BBBB-BBBB');
    await button(page, 'Continue').click();
    expect(await alertOn(page)).toMatch(/^This code is unknown or has expired.* make the device show a new one\.$/);
    await field.fill(grant.user_code.toLowerCase());
    await button(page, 'Continue').click();
    expect(await seen(page)).toContain(grant.user_code);
    expect(await seen(page)).toContain(HOSTILE_NAME);
    await expectReadable(page);
    await button(page, 'Allow').click();
    expect(await heading(page)).toBe('Device connected');
    await expectReadable(page);
    const sent = await oauth.deviceCodeGrantRequest(as, client, oauth.None(), grant.device_code, viaApi(harness.api));
    expect((await oauth.processDeviceCodeResponse(as, client, sent)).access_token).toMatch(/^ey/);
  });
});

describe('a page of another site', () => {
  test('cannot frame any of our pages', async () => {
    const { page, context, complaints } = await visit(harness.browser, {});
    const { address } = await authorization();
    harness.serve(
      '/frames',
      `<!doctype html>${['/login', '/device', '/docs'].map((path) => `<iframe src="${PAGES_ORIGIN}${path}"></iframe>`).join('')}<iframe src="${address}"></iframe>`,
    );
    await page.goto(`${harness.site}/frames`, { waitUntil: 'load' });
    const frames = page.frames().filter((frame) => frame !== page.mainFrame());
    await expect.poll(() => frames.map((frame) => frame.url())).toEqual(Array(4).fill('chrome-error://chromewebdata/'));
    expect(complaints.length).toBeGreaterThanOrEqual(4);
    expect(complaints.join()).toContain('frame-ancestors');
    await context.close();
  });

  test('can neither sign a user in nor decide for a user: its forms are refused, and nothing changes', async () => {
    const { page, context } = await harness.visit({}, user);
    await page.goto('/login?next=/device');
    const token = await page.locator('input[name=form_token]').inputValue();
    const fields = { form_token: token, next: '/login', email: user.email, password: user.password };
    const forms = {
      '/login': fields,
      '/login/passkey': { form_token: token, next: '/login', challenge: '0123456789abcdef', response: '{}' },
      '/signup': { form_token: token, next: '/login', name: '', email: 'x@people.test', password: user.password },
      '/account/forgot-password': { form_token: token, next: '/login', email: user.email },
      '/account/reset-password': { form_token: token, token: 'x', password: user.password },
      '/account/unlock': { form_token: token, token: 'x' },
      '/account/request-unlock': { form_token: token, email: user.email },
      '/logout': { form_token: token },
      '/device': { form_token: token, user_code: 'BBBB-BBBB', decision: 'allow' },
      '/oauth2/consent': { form_token: token, request: 'client_id=x', decision: 'allow' },
    };
    const before = await context.cookies();
    for (const [path, all] of Object.entries(forms)) {
      harness.serve('/posts', formPage(PAGES_ORIGIN + path, all));
      await page.goto(`${harness.site}/posts`);
      const [answer] = await Promise.all([
        page.waitForResponse(`${PAGES_ORIGIN}${path}`),
        button(page, 'Send').click(),
      ]);
      expect([path, answer.status()]).toEqual([path, 403]);
      expect(await seen(page)).toContain('Go back to the application and begin again.');
    }
    await expectReadable(page);
    expect(await context.cookies()).toEqual(before);
    await page.goto('/login');
    expect(await heading(page)).toBe('Your account');
  });
});

test('a refusal before a page handler runs is also a page that says what to do next', async () => {
  const { page } = await harness.visit();
  const answer = await page.goto(`/device?user_code=${'B'.repeat(33)}`);
  expect([answer?.status(), answer?.headers()['content-security-policy']]).toEqual([
    400,
    expect.stringContaining("frame-ancestors 'none'"),
  ]);
  expect(await seen(page)).toBe('Sallyport\nThe server could not read this request\n\nGo back and try again.');
  const machine = await send(harness.api.url, 'GET', `/device?user_code=${'B'.repeat(33)}`);
  expect([machine.status, machine.body.code]).toEqual([400, 'request_invalid']);
});

test('a locked account is unlocked on the page of its mail, which can send a new mail', async () => {
  const { page } = await harness.visit();
  const mails = await openMailFolder(harness.api.workerPorts);
  const owner = await signUp({ api: harness.api.url });
  const { id: userId, email } = owner;
  await harness.api.ports.transact((tx) => disablePasswordSignIn(tx, harness.api.ports, { userId, email }));
  await page.goto('/login');
  await submitSignIn(page, owner);
  expect(await alertOn(page)).toContain('ask for an unlock mail');
  await page.getByRole('link', { name: 'Send an unlock mail' }).click();
  await page.getByLabel('E-mail of your account').fill(email);
  await button(page, 'Send me a mail with a link').click();
  await page.getByText('and is locked, a mail is on its way').waitFor();
  const { page: path, code } = (await mails.to(email)).at(-1) ?? {};
  await page.goto('about:blank');
  await page.goto(`${path}#${code}`);
  expect(new URL(page.url()).hash).toBe('');
  await button(page, 'Unlock').click();
  await page.getByText('Your account is unlocked. You can sign in again.').waitFor();
  await page.goto('/login');
  await submitSignIn(page, owner);
  expect(await heading(page)).toBe('Your account');
  await mails.close();
});

test('reference, errors, mailed links and refusals are readable in light and dark, narrow and wide', async () => {
  const { page } = await harness.visit();
  for (const path of `/docs /docs/errors /account/verify-email /account/reset-password /account/unlock
    /oauth2/authorize?client_id=unknown`.split(/\s+/)) {
    const answer = await page.goto(path);
    expect([path, answer?.status()]).toEqual([path, path.startsWith('/oauth2') ? 400 : 200]);
    await expectReadable(page);
  }
});
