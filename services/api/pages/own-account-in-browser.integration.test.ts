import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { codeOf } from '#testing/fakes/totp.ts';
import { signUp, type TestUser } from '#testing/flows/flows.ts';
import { openBrowser } from '#testing/flows/oauth-browser.ts';
import { type BrowserHarness, expectReadable, openBrowserHarness, PAGES_ORIGIN } from '#testing/harness/browser.ts';
import { send } from '#testing/http-client.ts';
import { addAuthenticator, button, formPage, heading, seen, signInOn, textOf } from './pages-harness.ts';

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

const PASSWORD = 'seven quiet rivers of tin';

let harness: BrowserHarness;
beforeAll(async () => {
  harness = await openBrowserHarness();
});
afterAll(() => harness?.close());

const status = (page: Parameters<typeof seen>[0]) => textOf(page.getByRole('status').first());

/** A browser without scripts, signed in on the page. */
async function signedIn(user: TestUser) {
  const browser = openBrowser(harness.api.url, PAGES_ORIGIN);
  const login = await browser.open('/login?next=/account');
  const account = await browser.submit(login, { email: user.email, password: user.password });
  const formToken = /name="form_token" value="([^"]+)"/.exec(account.text)?.[1] ?? '';
  const act = (fields: Record<string, string>) =>
    browser.submit(
      {
        ...account,
        text: `<form method="post" action="/account"><input type="hidden" name="form_token" value="${formToken}"></form>`,
      },
      fields,
    );
  return { browser, account, act };
}

test.each([true, false])('a user sees and changes the account, with JavaScript: %s', async (javaScriptEnabled) => {
  const user = await signUp({ api: harness.api.url });
  const { page, complaints, context } = await harness.visit({ javaScriptEnabled });
  await page.goto('/account');
  await signInOn(page, user);
  expect(await heading(page)).toBe('Your account');
  expect(await seen(page)).toContain(user.email);
  if (javaScriptEnabled) await expectReadable(page);
  await page.getByLabel('Your name').fill('Zoë <b>שלום</b>');
  await button(page, 'Save').click();
  expect(await status(page)).toBe('Your profile is saved.');
  expect(await page.getByLabel('Your name').inputValue()).toBe('Zoë <b>שלום</b>');
  // The session of the sign-up is another one; it is ended here.
  await button(page, 'Sign out').first().click();
  expect(await status(page)).toBe('The session is ended.');
  expect((await send(harness.api.url, 'GET', '/api/auth/session', { cookie: user.cookie })).status).toBe(401);
  await page.getByLabel('Current password').fill('not the right password');
  await page.getByLabel('New password').fill(PASSWORD);
  await button(page, 'Change password').click();
  expect(await textOf(page.getByRole('alert').first())).toMatch(/^The password is wrong\. /);
  await page.getByLabel('Current password').fill(user.password);
  await page.getByLabel('New password').fill(PASSWORD);
  await button(page, 'Change password').click();
  expect(await status(page)).toMatch(/^Your password is changed\. /);
  await page.getByLabel('New e-mail address').fill('new@people.test');
  await button(page, 'Change the address').click();
  expect(await status(page)).toMatch(/^A mail to the new address is on its way\. /);
  await page.getByLabel('To delete the account').fill('another@people.test');
  await button(page, 'Delete the account').click();
  expect(await textOf(page.getByRole('alert').first())).toContain('Nothing was deleted.');
  await page.getByLabel('To delete the account').fill(user.email);
  await button(page, 'Delete the account').click();
  expect(await heading(page)).toBe('Account deleted');
  await page.goto('/account');
  expect(await heading(page)).toBe('Sign in');
  expect(complaints).toEqual([]);
  await context.close();
});

test('a user adds and removes an authenticator app, and gets its recovery codes once', async () => {
  const user = await signUp({ api: harness.api.url });
  const { page, complaints, context } = await harness.visit();
  await page.goto('/account');
  await signInOn(page, user);
  await page.getByLabel('Password, to add an authenticator app').fill(user.password);
  await button(page, 'Add an authenticator app').click();
  await expectReadable(page);
  await page.getByRole('img', { name: 'QR code with the key of your account' }).waitFor();
  const uri = (await page.getByRole('link', { name: 'Open the app' }).getAttribute('href')) as string;
  expect((await textOf(page.locator('pre'))).trim().split('\n')).toHaveLength(10);
  await page.getByLabel('The code that the app shows now').fill('000000');
  await button(page, 'Confirm').click();
  expect(await textOf(page.getByRole('alert').first())).toMatch(/^The code of the new app is wrong\. /);
  await page.getByLabel('The code that the app shows now').fill(codeOf(uri));
  await button(page, 'Confirm').click();
  expect(await status(page)).toMatch(/^The authenticator app is added\. /);
  await button(page, 'Create new recovery codes').click();
  expect(await heading(page)).toBe('Your recovery codes');
  await page.getByRole('link', { name: 'Back to your account' }).click();
  await button(page, 'Remove the authenticator app').click();
  expect(await status(page)).toMatch(/^The authenticator app is removed\. /);
  expect(complaints).toEqual([]);
  await context.close();
});

test('a user adds a passkey by the script of the page, and removes it', async () => {
  const user = await signUp({ api: harness.api.url });
  const { page, complaints, context } = await harness.visit();
  await page.goto('/account');
  await signInOn(page, user);
  await addAuthenticator(page);
  await page.getByLabel('Name of the new passkey').fill('my key');
  await button(page, 'Add a passkey').click();
  await page.getByText('They are shown only now.').waitFor();
  expect((await textOf(page.locator('#add-passkey-codes pre'))).trim().split('\n')).toHaveLength(10);
  await page.getByRole('link', { name: 'Back to your account' }).click();
  expect(await seen(page)).toContain('my key');
  await button(page, 'Remove').click();
  expect(await status(page)).toMatch(/^The passkey is removed\. /);
  expect(complaints).toEqual([]);
  await context.close();
});

/** As if the user had signed in an hour ago. */
async function ageSessions(user: TestUser): Promise<void> {
  const aged = await harness.harness.rows(
    `UPDATE sessions SET "createdAt" = now() - interval '1 hour' WHERE "userId" = $1 RETURNING token`,
    [user.id],
  );
  for (const { token } of aged) await harness.api.ports.auth.forget(token);
}

test('a sensitive change long after the sign-in asks the user to authenticate again first', async () => {
  const user = await signUp({ api: harness.api.url });
  const { page, complaints, context } = await harness.visit();
  await page.goto('/account');
  await signInOn(page, user);
  await ageSessions(user);
  await page.getByLabel('New e-mail address').fill('new@people.test');
  await button(page, 'Change the address').click();
  expect(await heading(page)).toBe('Confirm that it is you');
  await expectReadable(page);
  await page.getByLabel('Password', { exact: true }).fill('not the right password');
  await button(page, 'Continue').click();
  expect(await textOf(page.getByRole('alert').first())).toMatch(/^The password is wrong\. /);
  await page.getByLabel('Password', { exact: true }).fill(user.password);
  await button(page, 'Continue').click();
  expect(await status(page)).toBe('Thank you. Repeat your change now.');
  await page.getByLabel('New e-mail address').fill('new@people.test');
  await button(page, 'Change the address').click();
  expect(await status(page)).toMatch(/^A mail to the new address is on its way\. /);
  expect(complaints).toEqual([]);
  await context.close();
});

test.each<Record<string, string>>([
  { act: 'email', email: 'new@people.test' },
  { act: 'unlink', provider: 'google', account_id: 'x' },
  { act: 'remove_passkey', passkey_id: 'x' },
  { act: 'enable_totp', password: 'x' },
  { act: 'confirm_totp', code: '000000' },
  { act: 'disable_totp' },
  { act: 'renew_codes' },
  { act: 'delete' },
])('$act needs a recent sign-in, as the same call of the API does', async (fields) => {
  const user = await signUp({ api: harness.api.url });
  const { act } = await signedIn(user);
  await ageSessions(user);
  const asked = await act(fields.act === 'delete' ? { act: 'delete', email: user.email } : fields);
  expect([asked.status, asked.text]).toEqual([403, expect.stringContaining('Confirm that it is you')]);
});

test('the export has everything that the page lists, and only of the signed-in user', async () => {
  const user = await signUp({ api: harness.api.url });
  const { browser } = await signedIn(user);
  const { status: code, headers, body } = await browser.open('/account/export');
  expect([code, headers.get('content-disposition')]).toEqual([200, 'attachment; filename="account.json"']);
  expect(body.profile.email).toBe(user.email);
  expect(body.sessions).toHaveLength(2);
  expect(Object.keys(body).sort()).toEqual([
    'accounts',
    'api_keys',
    'consents',
    'factors',
    'passkeys',
    'profile',
    'sessions',
  ]);
  const stranger = openBrowser(harness.api.url, PAGES_ORIGIN);
  expect((await stranger.open('/account/export')).text).toContain('action="/login"');
});

test('a long list is shortened, and the page says that there is more', async () => {
  const user = await signUp({ api: harness.api.url });
  const { browser } = await signedIn(user);
  const said = 'There are more.';
  expect((await browser.open('/account')).text).not.toContain(said);
  await harness.harness.rows(
    `INSERT INTO sessions (id, "userId", "expiresAt", token)
     SELECT 'more-' || n || $1, $1, now() + interval '1 day', 'more-' || n || $1 FROM generate_series(1, 7) AS n`,
    [user.id],
  );
  const { text } = await browser.open('/account');
  expect(text.split(said)).toHaveLength(2);
  expect(Buffer.byteLength(text)).toBeLessThan(30_720);
});

test('no form acts on what belongs to another user, and unknown things are refused on the page', async () => {
  const [user, other] = [await signUp({ api: harness.api.url }), await signUp({ api: harness.api.url })];
  const { act } = await signedIn(user);
  const { body } = await send(harness.api.url, 'GET', '/api/auth/session', { cookie: other.cookie });
  const forms: readonly Record<string, string>[] = [
    { act: 'end_session', session_id: body.session.id },
    { act: 'withdraw', client_id: 'unknown' },
    { act: 'revoke_key', api_key_id: '00000000-0000-7000-8000-000000000000' },
    { act: 'unlink', provider: 'google', account_id: 'x' },
    { act: 'remove_passkey', passkey_id: 'x' },
  ];
  for (const fields of forms) {
    const refused = await act(fields);
    expect([fields.act, refused.status, refused.text.includes('role="alert"')]).toEqual([fields.act, 404, true]);
  }
  expect((await send(harness.api.url, 'GET', '/api/auth/session', { cookie: other.cookie })).status).toBe(200);
});

test('the form of another site changes nothing', async () => {
  const user = await signUp({ api: harness.api.url });
  const { page, context } = await harness.visit({}, user);
  await page.goto('/account');
  const token = await page.locator('input[name=form_token]').first().inputValue();
  harness.serve('/posts', formPage(`${PAGES_ORIGIN}/account`, { form_token: token, act: 'profile', name: 'Mallory' }));
  await page.goto(`${harness.site}/posts`);
  await button(page, 'Send').click();
  expect(await heading(page)).toBe('This form has expired');
  await page.goto('/account');
  expect(await page.getByLabel('Your name').inputValue()).not.toBe('Mallory');
  await context.close();
});
