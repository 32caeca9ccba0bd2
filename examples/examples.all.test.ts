// About: examples/
import { randomUUID } from 'node:crypto';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { LEGACY_AUDIENCE, type LegacyProvider, startLegacyProvider } from '#tools/testing/fakes/legacy-provider.ts';
import { newEmail, newPassword } from '#tools/testing/flows/flows.ts';
import { insertPerson } from '#tools/testing/flows/signed-in.ts';
import { type ApiCopy, type ApiHarness, openApiHarness } from '#tools/testing/harness/api.ts';
import { launchChromium, visit } from '#tools/testing/harness/browser.ts';
import { send } from '#tools/testing/http-client.ts';
import { type ExampleSite, serveExamples } from './serve.ts';

let harness: ApiHarness;
let api: ApiCopy;
let browser: Browser;
/** The provider from which an application moves here. */
let provider: LegacyProvider;
let site: ExampleSite;
/** A site that the operator has not listed. */
let stranger: ExampleSite;

beforeAll(async () => {
  // The sites must know the address of the API, and the API those of the sites.
  let url = '';
  harness = await openApiHarness();
  const settings = { port: 0, apiOf: () => url, host: '127.0.0.1' };
  [site, stranger] = await Promise.all([serveExamples(settings), serveExamples(settings)]);
  provider = await startLegacyProvider();
  const legacy = { LEGACY_ISSUER: provider.issuer, LEGACY_JWKS_URI: provider.jwksUri, LEGACY_AUDIENCE };
  api = await harness.startCopy({ env: { CORS_ORIGINS: site.origin, ...legacy } });
  url = api.url;
  browser = await launchChromium();
});
afterAll(async () => {
  await browser?.close();
  await Promise.all([site?.close(), stranger?.close(), provider?.close()]);
  await harness?.close();
});

const statusOf = (page: Page) => page.getByRole('status');

describe.each(['browser', 'react'])('the quickstart %s', (example) => {
  test('signs a new user up, changes the account, keeps the session over a reload, gets a token and signs out', async () => {
    const { page, context, complaints } = await visit(browser, { baseURL: site.origin });
    const email = newEmail();
    const password = newPassword();
    await page.goto(`/${example}/`);
    await page.getByLabel('E-mail').fill(email);
    await page.getByLabel('Password').fill(password);
    await page.getByRole('button', { name: 'Sign up' }).click();
    await page.getByText(email).waitFor();

    await page.getByLabel('Name').fill('Ada');
    await page.getByRole('button', { name: 'Change name' }).click();
    await expect
      .poll(async () =>
        (await harness.rows('SELECT name FROM users WHERE email = $1', [email])).map(({ name }) => name),
      )
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

    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByRole('button', { name: 'Sign in' }).waitFor();
    expect((await send(api.url, 'POST', '/v1/tokens/validate', { json: { token } })).body.active).toBe(false);

    await page.getByLabel('E-mail').fill(email);
    await page.getByLabel('Password').fill('not the password');
    await page.getByRole('button', { name: 'Sign in' }).click();
    await expect.poll(() => statusOf(page).textContent()).toContain('E-mail or password is wrong');
    await page.getByLabel('Password').fill(password);
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByText(email).waitFor();
    expect(complaints).toEqual([]);
    await context.close();
  });

  test('a user with a live session at the old provider needs no sign-in, and after a sign-out needs one', async () => {
    const { page, context, complaints } = await visit(browser, { baseURL: site.origin });
    const [email, sub] = [newEmail(), randomUUID()];
    const userId = await insertPerson(api, email);
    await harness.rows(`INSERT INTO legacy_users (provider, legacy_id, user_id) VALUES ('legacy', $1, $2)`, [
      sub,
      userId,
    ]);
    // What the script of the old provider says.
    const oldSession = (token: string) =>
      page.addInitScript(`window.Clerk = { session: { getToken: async () => '${token}' } }`);
    const signInButton = page.getByRole('button', { name: 'Sign in' });
    await oldSession(await provider.token({ sub: 'unknown', sid: randomUUID() }));
    await page.goto(`/${example}/`);
    await signInButton.waitFor();
    await oldSession(await provider.token({ sub, sid: randomUUID() }));
    await page.reload();
    await page.getByText(email).waitFor();
    await page.getByRole('button', { name: 'Sign out' }).click();
    await signInButton.waitFor();
    const refused = page.waitForResponse(`${api.url}/v1/legacy/sessions`);
    await page.reload();
    expect((await (await refused).json()).code).toBe('legacy_session_ended');
    await signInButton.waitFor();
    expect(complaints).toEqual([]);
    await context.close();
  });
});

test('CORS and CSRF: a site that is not listed can neither read the account nor end the session, although the browser sends the cookie', async () => {
  const { page, context } = await visit(browser, { baseURL: site.origin });
  const email = newEmail();
  await page.goto('/browser/');
  await page.getByLabel('E-mail').fill(email);
  await page.getByLabel('Password').fill(newPassword());
  await page.getByRole('button', { name: 'Sign up' }).click();
  await page.getByText(email).waitFor();

  await page.goto(`${stranger.origin}/browser/`);
  await expect.poll(() => statusOf(page).textContent()).toContain('Failed to fetch');
  // It needs no preflight, and the browser sends the cookie with it: the sites differ only in the port.
  const answered = page.waitForResponse(`${api.url}/api/auth/signout`);
  await page.evaluate(`{
    const form = document.body.appendChild(document.createElement('form'));
    Object.assign(form, { method: 'post', action: '${api.url}/api/auth/signout' }).submit();
  }`);
  const answer = await answered;
  await page.waitForURL(answer.url());
  const { cookie = '', origin } = await answer.request().allHeaders();
  expect([cookie.includes('session'), origin, answer.status()]).toEqual([true, stranger.origin, 403]);

  await page.goto(`${site.origin}/browser/`);
  await page.getByText(email).waitFor();
  await context.close();
});
