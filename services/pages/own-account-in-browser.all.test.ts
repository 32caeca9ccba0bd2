// About: services/pages/
import { expect, test } from 'vitest';
import { ACCOUNT_SECTIONS } from '#services/core/oauth/account-sections.ts';
import { signUp, type TestUser } from '#tools/testing/flows/flows.ts';
import { openBrowser } from '#tools/testing/flows/oauth-browser.ts';
import { expectReadable, openBrowserHarness, PAGES_ORIGIN } from '#tools/testing/harness/browser.ts';
import { send } from '#tools/testing/http-client.ts';
import { opened } from '#tools/testing/opened.ts';
import { writeRefusals } from './console-harness.ts';
import { ageSessions, section, signedInWithout, status, unfold } from './own-account-harness.ts';
import { button, formPage, heading, newPagesAgent, newPagesClient, seen, signInOn, textOf } from './pages-harness.ts';

const PASSWORD = 'seven quiet rivers of tin';
const IPHONE =
  'Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1';

const harness = opened(openBrowserHarness);

test.each([true, false])('a user sees and changes the account, with JavaScript: %s', async (javaScriptEnabled) => {
  const user = await signUp({ api: harness.api.url });
  const { page } = await harness.visit({ javaScriptEnabled });
  await page.goto('/account');
  await signInOn(page, user);
  expect(await heading(page)).toBe('Your account');
  expect(await seen(page)).toContain(user.email);
  await page.getByLabel('Your name').fill('Zoë <b>שלום</b>');
  await button(page, 'Save').click();
  expect(await status(page)).toBe('Your profile is saved.');
  expect(await page.getByLabel('Your name').inputValue()).toBe('Zoë <b>שלום</b>');
  await unfold(page, 'Change the address');
  await page.getByLabel('New e-mail address').fill('new@people.test');
  await button(page, 'Send the confirmation mail').click();
  expect(await status(page)).toMatch(/^A mail to the new address is on its way\. /);
  // The session of the sign-up is another one; it is ended here.
  await section(page, 'Sessions');
  await button(page, 'Sign out').last().click();
  expect(await status(page)).toBe('The session is ended.');
  expect((await send(harness.api.url, 'GET', '/api/auth/session', { cookie: user.cookie })).status).toBe(401);
  await section(page, 'Security');
  await unfold(page, 'Change password');
  await page.getByLabel('Current password').fill('not the right password');
  await page.getByLabel('New password').fill(PASSWORD);
  await button(page, 'Save the new password').click();
  expect(await textOf(page.getByRole('alert').first())).toMatch(/^The password is wrong\. /);
  await page.getByLabel('Current password').fill(user.password);
  await page.getByLabel('New password').fill(PASSWORD);
  await button(page, 'Save the new password').click();
  expect(await status(page)).toMatch(/^Your password is changed\. /);
  await section(page, 'Data');
  await unfold(page, 'Delete the account');
  await page.getByLabel('To delete the account').fill('another@people.test');
  await button(page, 'Delete the account').click();
  expect(await textOf(page.getByRole('alert').first())).toContain('Nothing was deleted.');
  await page.getByLabel('To delete the account').fill(user.email);
  await button(page, 'Delete the account').click();
  expect(await heading(page)).toBe('Account deleted');
  await page.goto('/account');
  expect(await heading(page)).toBe('Sign in');
});

/** Something in each list, but passkeys: only a browser makes one. */
async function fillLists(user: TestUser): Promise<void> {
  const client = await newPagesClient(harness.api, 'Notes', `${harness.site}/callback`, ['openid', 'tasks:read']);
  await harness.harness.rows`INSERT INTO oauth_consents (user_id, client_id, audience, scopes)
    VALUES (${user.id}, ${client.client_id}, 'tasks', '{openid,tasks:read}')`;
  await harness.harness.rows`INSERT INTO sessions (id, "userId", "expiresAt", token, "userAgent", "ipAddress")
    VALUES ('phone-' || ${user.id}, ${user.id}, now() + interval '1 day', 'phone-' || ${user.id}, ${IPHONE},
      '192.0.2.7')`;
  await writeRefusals(harness.harness.rows, (await newPagesAgent(harness, 'Deployer', user.id)).id);
  const headers = { origin: PAGES_ORIGIN };
  const key = { cookie: user.cookie, headers, json: { name: 'backup of the tasks' } };
  expect((await send(harness.api.url, 'POST', '/v1/api-keys', key)).status).toBe(201);
}

test.each(['en-GB', 'de-DE'])('every section can be read, in light and dark, narrow and wide: %s', async (locale) => {
  const user = await signUp({ api: harness.api.url });
  await fillLists(user);
  const { page } = await harness.visit({ locale }, user);
  for (const [path, said] of [
    ['/account?done=profile', user.email],
    ['/account/security?done=password', 'Passkey'],
    ['/account/sessions?done=end_session', 'Safari'],
    ['/account/applications', 'The client secret is wrong.'],
    ['/account/api-keys', 'backup of the tasks'],
    ['/account/data', user.email],
  ] as const) {
    await page.goto(path);
    expect(await seen(page)).toContain(said);
    expect(await page.getByRole('navigation').locator('[aria-current=page]').count()).toBe(1);
    await expectReadable(page);
    // The window is narrow now: no name of the navigation is broken over two lines.
    const heights = await page.locator('nav a').evaluateAll((links) => links.map((link) => link.clientHeight));
    expect([path, Math.max(...heights) < 45]).toEqual([path, true]);
    for (const fold of await page.locator('summary').all()) await fold.click();
    await expectReadable(page);
  }
});

test('without a session, each section leads to the sign-in and back', async () => {
  for (const { path } of Object.values(ACCOUNT_SECTIONS)) {
    const login = await openBrowser(harness.api.url, PAGES_ORIGIN).open(path);
    expect([path, login.text.includes(`name="next" value="${path}"`)]).toEqual([path, true]);
  }
});

test('a user signs out everywhere else, and stays signed in here', async () => {
  const user = await signUp({ api: harness.api.url });
  const [here, there] = [await signedInWithout(harness, user), await signedInWithout(harness, user)];
  expect((await here.browser.open('/account/sessions')).text).toContain('Sign out everywhere else');
  expect((await here.act({ act: 'end_other_sessions' })).text).toContain('You are signed out everywhere else.');
  expect((await there.browser.open('/account')).text).toContain('action="/login"');
  expect((await send(harness.api.url, 'GET', '/api/auth/session', { cookie: user.cookie })).status).toBe(401);
  const sessions = await here.browser.open('/account/sessions');
  expect(sessions.text).toContain('This browser');
  expect(sessions.text).not.toContain('Sign out everywhere else');
});

test('a sensitive change long after the sign-in asks the user to authenticate again first', async () => {
  const user = await signUp({ api: harness.api.url });
  const { page } = await harness.visit();
  await page.goto('/account');
  await signInOn(page, user);
  await ageSessions(harness, user);
  await unfold(page, 'Change the address');
  await page.getByLabel('New e-mail address').fill('new@people.test');
  await button(page, 'Send the confirmation mail').click();
  expect(await heading(page)).toBe('Confirm that it is you');
  await expectReadable(page);
  await page.getByLabel('Password', { exact: true }).fill('not the right password');
  await button(page, 'Continue').click();
  expect(await textOf(page.getByRole('alert').first())).toMatch(/^The password is wrong\. /);
  await page.getByLabel('Password', { exact: true }).fill(user.password);
  await button(page, 'Continue').click();
  expect(await status(page)).toBe('Thank you. Repeat your change now.');
  await unfold(page, 'Change the address');
  await page.getByLabel('New e-mail address').fill('new@people.test');
  await button(page, 'Send the confirmation mail').click();
  expect(await status(page)).toMatch(/^A mail to the new address is on its way\. /);
});

test.each<Record<string, string>>([
  { act: 'email', email: 'new@people.test' },
  { act: 'create_key', name: 'x', days: '1' },
  { act: 'unlink', provider: 'google', account_id: 'x' },
  { act: 'remove_passkey', passkey_id: 'x' },
  { act: 'enable_totp', password: 'x' },
  { act: 'confirm_totp', code: '000000' },
  { act: 'disable_totp' },
  { act: 'renew_codes' },
  { act: 'delete' },
])('$act needs a recent sign-in, as the same call of the API does', async (fields) => {
  const user = await signUp({ api: harness.api.url });
  const { act } = await signedInWithout(harness, user);
  await ageSessions(harness, user);
  const asked = await act(fields.act === 'delete' ? { act: 'delete', email: user.email } : fields);
  expect([asked.status, asked.text]).toEqual([403, expect.stringContaining('Confirm that it is you')]);
});

test('the export has everything that the page lists, and only of the signed-in user', async () => {
  const user = await signUp({ api: harness.api.url });
  const { browser } = await signedInWithout(harness, user);
  const { status: code, headers, body } = await browser.open('/account/export');
  expect([code, headers.get('content-disposition')]).toEqual([200, 'attachment; filename="account.json"']);
  expect(body.profile.email).toBe(user.email);
  expect(body.sessions).toHaveLength(2);
  expect(Object.keys(body).sort()).toEqual('accounts api_keys consents factors passkeys profile sessions'.split(' '));
  const stranger = openBrowser(harness.api.url, PAGES_ORIGIN);
  expect((await stranger.open('/account/export')).text).toContain('action="/login"');
});

test('a long list is shortened, and the page says that there is more', async () => {
  const user = await signUp({ api: harness.api.url });
  const { browser } = await signedInWithout(harness, user);
  const said = 'There are more.';
  expect((await browser.open('/account/sessions')).text).not.toContain(said);
  await harness.harness.rows`INSERT INTO sessions (id, "userId", "expiresAt", token)
    SELECT 'more-' || n || ${user.id}, ${user.id}, now() + interval '1 day', 'more-' || n || ${user.id}
      FROM generate_series(1, 19) AS n`;
  const { text } = await browser.open('/account/sessions');
  expect(text.split(said)).toHaveLength(2);
  expect(Buffer.byteLength(text)).toBeLessThan(30_720);
});

test('a user creates an API key with rights of their own, after a recent sign-in, and sees it once', async () => {
  const user = await signUp({ api: harness.api.url });
  const { act, browser } = await signedInWithout(harness, user);
  const key = { act: 'create_key', name: 'nightly <b>', days: '30' };
  const made = await act(key);
  expect(made.text).toContain('nightly &lt;b&gt;');
  const secret = /sp_ak_\w+/.exec(made.text)?.[0] ?? '';
  const verified = await send(harness.api.url, 'POST', '/v1/api-keys/verify', { json: { key: secret } });
  expect(verified.body).toMatchObject({ active: true, claims: { sub: user.id, permissions: [] } });
  const { text } = await browser.open('/account/api-keys');
  expect([text.includes('nightly &lt;b&gt;'), text.includes('sp_ak_'), text.includes('users:manage')]).toEqual([
    true,
    false,
    false,
  ]);
  expect((await act({ ...key, permissions: 'users:manage' })).status).toBe(403);
  for (const days of ['0', '367', '1e2']) expect((await act({ ...key, days })).status).toBe(400);
  await harness.harness.rows`INSERT INTO user_roles (user_id, role) VALUES (${user.id}, 'operator')`;
  const later = await signedInWithout(harness, user);
  expect((await later.browser.open('/account/api-keys')).text).toContain('value="users:read"');
  await ageSessions(harness, user);
  expect((await act(key)).text).toContain('Confirm that it is you');
});

test('no form acts on what belongs to another user, and unknown things are refused on the page', async () => {
  const [user, other] = [await signUp({ api: harness.api.url }), await signUp({ api: harness.api.url })];
  const { act } = await signedInWithout(harness, user);
  const { body } = await send(harness.api.url, 'GET', '/api/auth/session', { cookie: other.cookie });
  const forms: readonly Record<string, string>[] = [
    { act: 'end_session', session_id: body.session.id },
    { act: 'withdraw', client_id: 'unknown' },
    { act: 'revoke_key', api_key_id: '00000000-0000-7000-8000-000000000000' },
    { act: 'unlink', provider: 'google', account_id: 'x' },
    { act: 'rename_passkey', passkey_id: 'x', name: 'mine' },
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
  const { page } = await harness.visit({}, user);
  await page.goto('/account');
  const token = await page.locator('input[name=form_token]').first().inputValue();
  harness.serve('/posts', formPage(`${PAGES_ORIGIN}/account`, { form_token: token, act: 'profile', name: 'Mallory' }));
  await page.goto(`${harness.site}/posts`);
  await button(page, 'Send').click();
  expect(await heading(page)).toBe('This form has expired');
  await page.goto('/account');
  expect(await page.getByLabel('Your name').inputValue()).not.toBe('Mallory');
});
