// About: services/pages/ services/core/identity/accounts/
import type { Page } from 'playwright-core';
import { describe, expect, test } from 'vitest';
import { newEmail, signUp } from '#tools/testing/flows/flows.ts';
import { openBrowser } from '#tools/testing/flows/oauth-browser.ts';
import { expectReadable, openBrowserHarness, PAGES_ORIGIN } from '#tools/testing/harness/browser.ts';
import { openMailFolder } from '#tools/testing/mail-folder.ts';
import { opened } from '#tools/testing/opened.ts';
import { button, heading, newAuthorization, newPagesClient, seen, signInOn, textOf } from './pages-harness.ts';

const PASSWORD = 'seven quiet rivers of tin';
async function signUpOn(page: Page, email: string): Promise<void> {
  await page.goto('/signup');
  await page.getByLabel('E-mail').fill(email);
  await page.getByLabel('Password', { exact: true }).fill(PASSWORD);
  await button(page, 'Create account').click();
}

const RIGHT_TO_LEFT = 'שלום <b>עולם</b>';

describe('a user without an account or a password', () => {
  const harness = opened(openBrowserHarness);
  const mails = opened(() => openMailFolder(harness.api.workerPorts));

  test('comes from an application, creates an account, and the application gets its code', async () => {
    const redirectUri = `${harness.site}/callback`;
    const client = await newPagesClient(harness.api, RIGHT_TO_LEFT, redirectUri, ['openid']);
    const { address, redeem } = await newAuthorization(harness.api, client, redirectUri, ['openid']);
    const { page } = await harness.visit();
    await page.goto(address);
    expect(await seen(page)).toContain(`${RIGHT_TO_LEFT} (${new URL(redirectUri).host}) asks you to sign in.`);
    await expectReadable(page);
    await page.getByRole('link', { name: 'Create account' }).click();
    expect(await heading(page)).toBe('Create an account');
    expect(await seen(page)).toContain(`${RIGHT_TO_LEFT} (${new URL(redirectUri).host})`);
    await expectReadable(page);
    const email = 'new.user@people.test';
    await page.getByLabel('Name (optional)').fill(RIGHT_TO_LEFT);
    await page.getByLabel('E-mail').fill(email);
    await page.getByLabel('Password', { exact: true }).fill('password1234');
    await button(page, 'Create account').click();
    // The page keeps what was typed, except the password.
    expect(await textOf(page.getByRole('alert').first())).toMatch(/^This password is too common\. /);
    expect(await page.getByLabel('E-mail').inputValue()).toBe(email);
    expect(await page.getByLabel('Name (optional)').inputValue()).toBe(RIGHT_TO_LEFT);
    expect(await page.getByLabel('Password', { exact: true }).inputValue()).toBe('');
    await page.getByLabel('Password', { exact: true }).fill(PASSWORD);
    await button(page, 'Create account').click();
    await button(page, 'Allow').click();
    await page.waitForURL(`${redirectUri}?*`);
    expect((await redeem(page.url())).id_token).toMatch(/^ey/);
  });

  test.each([true, false])('chooses a new password by mail, with JavaScript: %s', async (javaScriptEnabled) => {
    const user = await signUp({ api: harness.api.url });
    const { page } = await harness.visit({ javaScriptEnabled });
    await page.goto('/login?next=/device');
    await page.getByRole('link', { name: 'Forgot password?' }).click();
    await page.getByLabel('E-mail').fill(user.email);
    await button(page, 'Send me a mail with a link').click();
    expect(await heading(page)).toBe('Check your mail');
    expect(await seen(page)).toContain(`If an account has the address ${user.email}, a mail`);
    await button(page, 'Send the mail again').click();
    expect(await heading(page)).toBe('Check your mail');
    const sent = (await mails.to(user.email)).filter((mail) => mail.page?.endsWith('/account/reset-password'));
    const { page: path, code = '', typed = '' } = sent.at(-1) ?? {};
    await page.goto('about:blank');
    await page.goto(`${path}#${code}`);
    if (!javaScriptEnabled) {
      await page.getByLabel('E-mail').fill(user.email);
      await page.getByLabel('Code from the mail').fill(` ${typed.toLowerCase()} `);
    }
    await page.getByLabel('New password').fill('password1234');
    await button(page, 'Change password').click();
    // The code is still valid, and is in no visible field.
    expect(await textOf(page.getByRole('alert').first())).toMatch(/^This password is too common\. /);
    expect(await page.getByLabel('Code from the mail').count()).toBe(0);
    await page.getByLabel('New password').fill(PASSWORD);
    await button(page, 'Change password').click();
    await page.getByRole('link', { name: 'Sign in' }).click();
    await signInOn(page, { email: user.email, password: PASSWORD });
    expect(await heading(page)).toBe('Your account');
    // A code works once; the page then offers another mail.
    await page.goto('about:blank');
    await page.goto(`${path}`);
    await page.getByLabel('E-mail').fill(user.email);
    await page.getByLabel('Code from the mail').fill(code);
    await page.getByLabel('New password').fill(`${PASSWORD} again`);
    await button(page, 'Change password').click();
    expect(await textOf(page.getByRole('alert').first())).toMatch(/^This code is invalid or has expired\. /);
    expect(await page.getByLabel('Code from the mail').inputValue()).toBe('');
    await page.getByRole('link', { name: 'Send me a mail with a link' }).click();
    expect(await heading(page)).toBe('Forgot your password?');
  });

  test.each([true, false])(
    'gets another password by the code of a mail, read on another device, with JavaScript: %s',
    async (javaScriptEnabled) => {
      const user = await signUp({ api: harness.api.url });
      const { page } = await harness.visit({ javaScriptEnabled });
      await page.goto('/login?next=/device');
      await page.getByRole('link', { name: 'Forgot password?' }).click();
      await page.getByLabel('E-mail').fill(user.email);
      await button(page, 'Send me a mail with a link').click();
      const { typed = '' } = (await mails.to(user.email)).at(-1) ?? {};
      await page.getByLabel('Code from the mail').fill('BBBB-BBBB');
      await button(page, 'Continue').click();
      expect(await textOf(page.getByRole('alert').first())).toMatch(/^This code is invalid or has expired\. /);
      expect(await page.getByLabel('E-mail').inputValue()).toBe(user.email);
      if (javaScriptEnabled) await expectReadable(page);
      await page.getByLabel('Code from the mail').fill(typed);
      await page.getByLabel('New password').fill(PASSWORD);
      await button(page, 'Change password').click();
      await page.getByText('Your password is changed').waitFor();
      await page.getByRole('link', { name: 'Sign in' }).click();
      await signInOn(page, { email: user.email, password: PASSWORD });
      expect(await heading(page)).toBe('Connect a device');
    },
  );

  test.each([true, false])(
    'signs up, is told of the mail, types its code and is at the account, with JavaScript: %s',
    async (javaScriptEnabled) => {
      const email = newEmail();
      const { page } = await harness.visit({ javaScriptEnabled });
      await signUpOn(page, email);
      expect(await heading(page)).toBe('Check your mail');
      expect(await seen(page)).toContain(`We sent a mail to ${email}.`);
      if (javaScriptEnabled) await expectReadable(page);
      await button(page, 'Send the mail again').click();
      const sent = await mails.to(email);
      expect(sent).toHaveLength(2);
      await page.getByLabel('Code from the mail').fill(sent[0]?.typed ?? '');
      await button(page, 'Continue').click();
      expect(await seen(page)).toContain('Your address is confirmed.');
      expect(await seen(page)).not.toContain('You can sign in');
      if (javaScriptEnabled) await expectReadable(page);
      await page.getByRole('link', { name: 'Your account' }).click();
      expect(await seen(page)).toContain(email);
      expect(await seen(page)).not.toContain('(not confirmed yet)');
      // The page of a mail that is no longer needed leads on.
      await page.goto('/account/check-mail');
      expect(new URL(page.url()).pathname).toBe('/account');
    },
  );

  test('a mail program that opens every link once uses nothing up; the signed-in user then confirms by one button', async () => {
    const email = newEmail();
    const { page } = await harness.visit();
    await signUpOn(page, email);
    await page.getByRole('link', { name: 'Continue without the code' }).click();
    expect(await seen(page)).toContain('(not confirmed yet)');
    const { text, page: path, code } = (await mails.to(email)).at(-1) ?? {};
    for (const link of text?.match(/https?:\/\/\S+\/account\/[\w#-]+/g) ?? []) {
      const opened = await fetch(link.replace(PAGES_ORIGIN, harness.api.url));
      expect(opened.status).toBeLessThan(400);
    }
    await page.goto(`${path}#${code}`);
    await button(page, 'Confirm').click();
    expect(await seen(page)).toContain('Your address is confirmed.');
    await page.getByRole('link', { name: 'Your account' }).waitFor();
  });

  test('sees the password on request, and the browser never sends it as a typed text', async () => {
    const { page } = await harness.visit();
    await page.goto('/login');
    const field = page.getByLabel('Password', { exact: true });
    await field.fill('not the right password');
    await page.getByLabel('Show password').check();
    expect(await field.getAttribute('type')).toBe('text');
    await page.getByLabel('Show password').uncheck();
    expect(await field.getAttribute('type')).toBe('password');
  });

  test('gets the same answer for a known and an unknown address', async () => {
    const known = await signUp({ api: harness.api.url });
    const texts = [];
    for (const email of [known.email, 'unknown@people.test']) {
      const browser = openBrowser(harness.api.url, PAGES_ORIGIN);
      const asked = await browser.submit(await browser.open('/account/forgot-password'), { email });
      texts.push([asked.status, asked.text.replaceAll(email, '').replaceAll(/name="form_token" value="[^"]*"/g, '')]);
    }
    expect(texts[0]).toEqual(texts[1]);
  });

  test.each([
    ['/signup', { name: '', email: 'a@b', password: PASSWORD }],
    ['/account/forgot-password', { email: 'no-address' }],
    ['/account/resend-verification', { email: '<script>' }],
  ])('%s explains an incomplete address', async (path, fields) => {
    const browser = openBrowser(harness.api.url, PAGES_ORIGIN);
    const refused = await browser.submit(await browser.open(path), fields);
    expect([refused.status, refused.text]).toEqual([400, expect.stringContaining('not a complete e-mail address')]);
    expect(refused.text).not.toContain('<script>a');
  });

  test('is told that an address is taken, and values that are too long are refused on a page', async () => {
    const known = await signUp({ api: harness.api.url });
    const browser = openBrowser(harness.api.url, PAGES_ORIGIN);
    const page = await browser.open('/signup');
    const taken = await browser.submit(page, { name: 'x', email: known.email, password: PASSWORD });
    expect([taken.status, taken.text]).toEqual([409, expect.stringContaining('Sign in, or choose a new password')]);
    for (const fields of [
      { name: 'x'.repeat(4_096), email: 'a@people.test', password: PASSWORD },
      { name: 'x', email: `${'x'.repeat(4_096)}@people.test`, password: PASSWORD },
      { name: 'x', email: 'a@people.test', password: 'x'.repeat(4_097) },
    ])
      expect((await browser.submit(page, fields)).status).toBe(400);
    const long = await browser.submit(page, { name: 'x', email: 'a@people.test', password: 'x'.repeat(4_096) });
    expect([long.status, long.text]).toEqual([400, expect.stringContaining('This password is too long')]);
  });
});

describe('where addresses must be confirmed first', () => {
  const harness = opened(() => openBrowserHarness({ REQUIRE_EMAIL_VERIFICATION: 'true' }));
  const mails = opened(() => openMailFolder(harness.api.workerPorts));

  test('a sign-up continues by mail: another mail on request, then the password, then the sign-in', async () => {
    const { page } = await harness.visit();
    const email = 'careful@people.test';
    await page.goto('/signup');
    await page.getByLabel('E-mail').fill(email);
    await page.getByLabel('Password', { exact: true }).fill(PASSWORD);
    await button(page, 'Create account').click();
    expect(await heading(page)).toBe('Check your mail');
    await expectReadable(page);
    expect(await page.getByRole('link', { name: 'Use another address' }).getAttribute('href')).toBe('/signup');
    await mails.deliver();
    await button(page, 'Send the mail again').click();
    const { page: path, code } = (await mails.to(email)).at(-1) ?? {};
    await page.goto(`${path}#${code}`);
    await button(page, 'Confirm').click();
    await page.getByLabel('Password to sign in with').fill(PASSWORD);
    await expectReadable(page);
    await button(page, 'Confirm').click();
    await page.getByText('Your address is confirmed.').waitFor();
    await page.getByRole('link', { name: 'Sign in' }).click();
    await signInOn(page, { email, password: PASSWORD });
    expect(await heading(page)).toBe('Your account');
  });

  test('a user who came from an application types the code there, and the sign-in goes back to the application', async () => {
    const redirectUri = `${harness.site}/callback`;
    const client = await newPagesClient(harness.api, 'Notes', redirectUri, ['openid']);
    const { address, redeem } = await newAuthorization(harness.api, client, redirectUri, ['openid']);
    const { page } = await harness.visit({ javaScriptEnabled: false });
    const email = newEmail();
    await page.goto(address);
    await page.getByRole('link', { name: 'Create account' }).click();
    await page.getByLabel('E-mail').fill(email);
    await page.getByLabel('Password', { exact: true }).fill(PASSWORD);
    await button(page, 'Create account').click();
    await page.getByLabel('Code from the mail').fill((await mails.to(email)).at(-1)?.typed ?? '');
    await button(page, 'Continue').click();
    await page.getByLabel('Password to sign in with').fill(PASSWORD);
    await button(page, 'Confirm').click();
    await page.getByRole('link', { name: 'Sign in' }).click();
    await signInOn(page, { email, password: PASSWORD });
    await button(page, 'Allow').click();
    await page.waitForURL(`${redirectUri}?*`);
    expect((await redeem(page.url())).id_token).toMatch(/^ey/);
  });
});
