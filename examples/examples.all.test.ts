// About: examples/ sdks/react/src/ sdks/react/styles.css
import { randomUUID } from 'node:crypto';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { LEGACY_AUDIENCE, type LegacyProvider, startLegacyProvider } from '#tools/testing/fakes/legacy-provider.ts';
import { codeOf } from '#tools/testing/fakes/totp.ts';
import { newEmail, newPassword } from '#tools/testing/flows/flows.ts';
import { insertPerson } from '#tools/testing/flows/signed-in.ts';
import { type ApiCopy, type ApiHarness, openApiHarness } from '#tools/testing/harness/api.ts';
import { expectReadable, launchChromium, visit } from '#tools/testing/harness/browser.ts';
import { send } from '#tools/testing/http-client.ts';
import { type ExampleSite, serveExamples } from './serve.ts';

let harness: ApiHarness;
/** On a developer's machine: no origin is listed. */
let api: ApiCopy;
let browser: Browser;
/** The provider from which an application moves here. */
let provider: LegacyProvider;
let site: ExampleSite;
/** Where browsers reach the API. */
const url = (): string => api.url.replace('127.0.0.1', 'localhost');

beforeAll(async () => {
  harness = await openApiHarness();
  provider = await startLegacyProvider();
  const env = { LEGACY_ISSUER: provider.issuer, LEGACY_JWKS_URI: provider.jwksUri, LEGACY_AUDIENCE };
  api = await harness.startCopy({ publicUrl: 'http://localhost:3000', env });
  site = await serveExamples({ port: 0, apiOf: url });
  browser = await launchChromium();
});
afterAll(async () => {
  await browser?.close();
  await Promise.all([site?.close(), provider?.close()]);
  await harness?.close();
});

const statusOf = (page: Page) => page.getByRole('status');
const button = (page: Page, name: string) => page.getByRole('button', { name, exact: true });

/** The page with React has `<UserButton/>`. */
async function signOut(page: Page, example: string, email: string): Promise<void> {
  if (example === 'react') await page.getByRole('button', { name: email }).click();
  await button(page, 'Sign out').click();
}

describe.each(['browser', 'react'])('the quickstart %s', (example) => {
  test('signs a new user up, changes the account, keeps the session over a reload, gets a token and signs out', async () => {
    const { page, context, complaints } = await visit(browser, { baseURL: site.origin });
    const email = newEmail();
    const password = newPassword();
    await page.goto(`/${example}/`);
    if (example === 'react') {
      await button(page, 'Create an account').click();
      await page.getByLabel('Name').fill('A. Lovelace');
    }
    await page.getByLabel('E-mail').fill(email);
    await page.getByLabel('Password').fill(password);
    await button(page, 'Sign up').click();
    await page.getByText(email).waitFor();

    await page.getByLabel('Name').fill('Ada');
    await page.getByRole('button', { name: 'Change name' }).click();
    await expect
      .poll(async () => (await harness.rows`SELECT name FROM users WHERE email = ${email}`).map(({ name }) => name))
      .toEqual(['Ada']);

    await page.reload();
    await page.getByText(email).waitFor();
    expect(await page.getByLabel('Name').inputValue()).toBe('Ada');
    // The session is out of reach of scripts.
    expect(await page.evaluate('document.cookie')).not.toContain('session');

    await page.getByRole('button', { name: 'Show an access token' }).click();
    await expect.poll(() => page.locator('code').textContent()).toMatch(/^ey/);
    const token = await page.locator('code').textContent();
    expect((await send(api.url, 'POST', '/v1/tokens/validate', { json: { token } })).body.active).toBe(true);

    await signOut(page, example, email);
    await button(page, 'Sign in').waitFor();
    expect((await send(api.url, 'POST', '/v1/tokens/validate', { json: { token } })).body.active).toBe(false);

    await page.getByLabel('E-mail').fill(email);
    await page.getByLabel('Password').fill('not the password');
    await button(page, 'Sign in').click();
    await page.getByText('E-mail or password is wrong').waitFor();
    await page.getByLabel('Password').fill(password);
    await button(page, 'Sign in').click();
    await page.getByText(email).waitFor();
    expect(complaints).toEqual([]);
    await context.close();
  });

  test('a user with a live session at the old provider needs no sign-in, and after a sign-out needs one', async () => {
    const { page, context, complaints } = await visit(browser, { baseURL: site.origin });
    const [email, sub] = [newEmail(), randomUUID()];
    const userId = await insertPerson(api, email);
    await harness.rows`INSERT INTO legacy_users (provider, legacy_id, user_id) VALUES ('legacy', ${sub}, ${userId})`;
    // What the script of the old provider says.
    const oldSession = (token: string) =>
      page.addInitScript(`window.Clerk = { session: { getToken: async () => '${token}' } }`);
    const signInButton = button(page, 'Sign in');
    await oldSession(await provider.token({ sub: 'unknown', sid: randomUUID() }));
    await page.goto(`/${example}/`);
    await signInButton.waitFor();
    await oldSession(await provider.token({ sub, sid: randomUUID() }));
    await page.reload();
    await page.getByText(email).waitFor();
    await signOut(page, example, email);
    await signInButton.waitFor();
    const refused = page.waitForResponse(`${url()}/v1/legacy/sessions`);
    await page.reload();
    expect((await (await refused).json()).code).toBe('legacy_session_ended');
    await signInButton.waitFor();
    expect(complaints).toEqual([]);
    await context.close();
  });
});

describe('the components of @sallyport/react', () => {
  type Person = { readonly name: string; readonly email: string; readonly password: string };
  const heading = (page: Page, name: string) => page.getByRole('heading', { name });
  const userButton = (page: Page, { email }: Person) => page.getByRole('button', { name: email });
  /** What the user does on a page of Sallyport. */
  const post = async (page: Page, path: string, body: object = {}) =>
    (await page.evaluate(`fetch('${url()}/api/auth/${path}', { method: 'POST', credentials: 'include',
      headers: { 'content-type': 'application/json' }, body: ${JSON.stringify(JSON.stringify(body))} })
      .then((answer) => answer.json())`)) as {
      readonly totp_uri: string;
      readonly recovery_codes: readonly string[];
      readonly options: object;
      readonly challenge: string;
    };

  /** A page of a new user. */
  async function signedUp(name = 'Ada') {
    const visited = await visit(browser, { baseURL: site.origin });
    const [{ page }, person] = [visited, { name, email: newEmail(), password: newPassword() }];
    await page.goto('/react/');
    await button(page, 'Create an account').click();
    for (const [label, value] of [
      ['Name', person.name],
      ['E-mail', person.email],
      ['Password', person.password],
    ] as const)
      await page.getByLabel(label).fill(value);
    await button(page, 'Sign up').click();
    await userButton(page, person).waitFor();
    return { ...visited, person };
  }

  test('<SignIn/> asks for the second factor of an account that has one, and offers its passkey', async () => {
    const { page, context, complaints, person } = await signedUp();
    const { totp_uri: uri, recovery_codes: codes } = await post(page, 'two-factor/enable', {
      password: person.password,
    });
    await post(page, 'two-factor/confirm', { code: codeOf(uri) });
    await signOut(page, 'react', person.email);
    await page.getByLabel('E-mail').fill(person.email);
    await page.getByLabel('Password').fill(person.password);
    await button(page, 'Sign in').click();
    await heading(page, 'Confirm that it is you').waitFor();
    await expect.poll(() => page.evaluate('document.activeElement.textContent')).toBe('Confirm that it is you');
    await expectReadable(page, 'factor');
    await page.getByLabel('Code').fill('000 000');
    await button(page, 'Confirm').click();
    await expect.poll(() => page.getByRole('alert').textContent()).not.toBe('');
    await page.getByLabel('Code').fill(codes[0] as string);
    await button(page, 'Confirm').click();
    await userButton(page, person).waitFor();

    const devtools = await context.newCDPSession(page);
    await devtools.send('WebAuthn.enable');
    const keeps = { hasResidentKey: true, hasUserVerification: true, isUserVerified: true };
    await devtools.send('WebAuthn.addVirtualAuthenticator', {
      options: { protocol: 'ctap2', transport: 'internal', ...keeps, automaticPresenceSimulation: true },
    });
    const { options, challenge } = await post(page, 'passkey/register/options');
    const response = await page.evaluate(`navigator.credentials
      .create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(${JSON.stringify(options)}) })
      .then((made) => made.toJSON())`);
    await post(page, 'passkey/register/verify', { challenge, name: 'Laptop', response });
    await signOut(page, 'react', person.email);
    await button(page, 'Sign in with a passkey').click();
    await userButton(page, person).waitFor();
    expect(complaints).toEqual([]);
    await context.close();
  });

  test('<UserButton/> shows a hostile name as text, opens and closes by keyboard, and leads to the account', async () => {
    const { page, context, complaints, person } = await signedUp('<img src=x onerror=alert(1)>\u202e\u2066moc.live');
    expect(await page.locator('.sallyport-user bdi').first().textContent()).toBe(person.name);
    await userButton(page, person).focus();
    await page.keyboard.press('Enter');
    expect(await page.getByRole('link', { name: 'Manage account' }).getAttribute('href')).toBe(`${url()}/account`);
    await expectReadable(page, 'menu');
    await page.keyboard.press('Tab');
    await page.keyboard.press('Escape');
    expect(await page.evaluate('document.activeElement.ariaExpanded')).toBe('false');
    expect(complaints).toEqual([]);
    await context.close();
  });

  test('<Protected/> shows nothing of a user who signed out in another tab, and tries again when no answer came', async () => {
    const { page, context, person } = await signedUp();
    const other = await context.newPage();
    await other.goto(`${site.origin}/react/`);
    await userButton(other, person).waitFor();
    await signOut(page, 'react', person.email);
    await heading(other, 'Sign in').waitFor();
    expect(await other.content()).not.toContain(person.email);
    await page.route(`${url()}/**`, (route) => route.abort());
    await page.reload();
    await page.getByText('The server did not answer. Try again.').waitFor();
    await page.unroute(`${url()}/**`);
    await button(page, 'Try again').click();
    await heading(page, 'Sign in').waitFor();
    await context.close();
  });

  test('their colours are those of the pages of Sallyport, in light and dark, until a page sets others', async () => {
    const { page, context } = await visit(browser, { baseURL: site.origin });
    await page.goto('/react/');
    await button(page, 'Sign in').waitFor();
    const pages = await context.newPage();
    await pages.goto(`${url()}/login`);
    /** As a browser computes them. */
    const coloursIn = (at: Page, selector: string, prefix: string) =>
      at.evaluate(`{
        const probe = document.querySelector('${selector}').appendChild(document.createElement('i'));
        ['ink', 'dim', 'card', 'line', 'accent', 'on', 'bad'].map((token) => {
          probe.style.color = 'var(${prefix}' + token + ')';
          return token + ' ' + getComputedStyle(probe).color;
        });
      }`);
    for (const colorScheme of ['light', 'dark'] as const) {
      for (const each of [page, pages]) await each.emulateMedia({ colorScheme });
      expect(await coloursIn(page, '.sallyport', '--_')).toEqual(await coloursIn(pages, 'body', '--'));
    }
    await page.addStyleTag({
      content: ':root { --sallyport-accent: light-dark(#6b21a8, #e9d5ff); --sallyport-on: light-dark(#fff, #1b1b21) }',
    });
    const colour = () => page.evaluate(`getComputedStyle(document.querySelector('[type=submit]')).backgroundColor`);
    await expect.poll(colour).toBe('rgb(233, 213, 255)');
    await expectReadable(page, 'themed');
    await context.close();
  });
});

test('CORS and CSRF: a site that is not listed can neither read the account nor end the session, although the browser sends the cookie', async () => {
  let listing = '';
  const settings = { port: 0, apiOf: () => listing, host: '127.0.0.1' };
  const [listed, stranger] = await Promise.all([serveExamples(settings), serveExamples(settings)]);
  ({ url: listing } = await harness.startCopy({ env: { CORS_ORIGINS: listed.origin } }));
  const { page, context } = await visit(browser, { baseURL: listed.origin });
  const email = newEmail();
  await page.goto('/browser/');
  await page.getByLabel('E-mail').fill(email);
  await page.getByLabel('Password').fill(newPassword());
  await page.getByRole('button', { name: 'Sign up' }).click();
  await page.getByText(email).waitFor();

  await page.goto(`${stranger.origin}/browser/`);
  await expect.poll(() => statusOf(page).textContent()).toContain('Failed to fetch');
  // It needs no preflight, and the browser sends the cookie with it: the sites differ only in the port.
  const answered = page.waitForResponse(`${listing}/api/auth/signout`);
  await page.evaluate(`{
    const form = document.body.appendChild(document.createElement('form'));
    Object.assign(form, { method: 'post', action: '${listing}/api/auth/signout' }).submit();
  }`);
  const answer = await answered;
  await page.waitForURL(answer.url());
  const { cookie = '', origin } = await answer.request().allHeaders();
  expect([cookie.includes('session'), origin, answer.status()]).toEqual([true, stranger.origin, 403]);

  await page.goto(`${listed.origin}/browser/`);
  await page.getByText(email).waitFor();
  await context.close();
  await Promise.all([listed.close(), stranger.close()]);
});
