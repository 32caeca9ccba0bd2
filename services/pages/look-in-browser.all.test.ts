// About: services/pages/
import { expect, onTestFinished, test } from 'vitest';
import * as english from '#services/core/identity/mail/letters.ts';
import * as german from '#services/core/identity/mail/letters-german.ts';
import { renderMail } from '#services/core/identity/mail/render-mail.ts';
import { DEFAULT_BRAND } from '#services/platform/html/brand.ts';
import { blackPng, logoOf } from '#tools/testing/fakes/png.ts';
import { signUp } from '#tools/testing/flows/flows.ts';
import { expectReadable, openBrowserHarness, PAGES_ORIGIN } from '#tools/testing/harness/browser.ts';
import { send } from '#tools/testing/http-client.ts';
import { openMailFolder } from '#tools/testing/mail-folder.ts';
import { opened } from '#tools/testing/opened.ts';
import { button, heading, newAuthorization, newPagesClient, seen, signInOn, textOf } from './pages-harness.ts';

const harness = opened(() =>
  openBrowserHarness({
    BRAND_NAME: 'شركة المثال',
    BRAND_COLOR: '#ffcc00',
    BRAND_TERMS_URL: 'https://example.com/terms',
    BRAND_PRIVACY_URL: 'https://example.com/privacy',
  }),
);

test('every page has the look of the brand and can be read, whatever its colour and the direction of its name', async () => {
  const { page } = await harness.visit();
  for (const path of `/login /device /oauth2/authorize /account/verify-email /account/reset-password /account/unlock
    /account/accept-invitation /account/forgot-password /account/resend-verification /signup`.split(/\s+/)) {
    await page.goto(path);
    await expectReadable(page);
    for (const said of ['شركة المثال', 'Terms', 'Privacy']) expect(await seen(page)).toContain(said);
  }
});

test('the logo of an application is loaded from our origin, before and after the sign-in', async () => {
  const redirectUri = `${harness.site}/callback`;
  const client = await newPagesClient(harness.api, 'Notes', redirectUri, ['openid'], logoOf(blackPng(48)));
  const { page } = await harness.visit();
  const requests: string[] = [];
  page.on('request', (request) => requests.push(new URL(request.url()).origin));
  await page.goto((await newAuthorization(harness.api, client, redirectUri, ['openid'])).address);
  const widthOfLogo = () => page.evaluate(`document.querySelector('img.app').naturalWidth`);
  expect([await heading(page), await widthOfLogo()]).toEqual(['Sign in', 48]);
  await expectReadable(page);
  await signInOn(page, await signUp({ api: harness.api.url }));
  expect([await heading(page), await widthOfLogo()]).toEqual(['Sign in to Notes?', 48]);
  await expectReadable(page);
  expect(new Set(requests)).toEqual(new Set([PAGES_ORIGIN]));
});

test('a German browser gets German pages, errors included, and German mails', async () => {
  const { page } = await harness.visit({ locale: 'de-DE' });
  await page.goto('/login');
  expect([await heading(page), await page.locator('html').getAttribute('lang')]).toEqual(['Anmelden', 'de']);
  await page.getByLabel('E-Mail').fill('unknown@people.test');
  await page.getByLabel('Passwort', { exact: true }).fill('not the right password');
  await button(page, 'Anmelden').click();
  expect(await textOf(page.getByRole('alert').first())).toMatch(/^E-Mail oder Passwort ist falsch\. Prüfen Sie/);
  await page.goto(`/device?user_code=${'B'.repeat(33)}`);
  expect(await heading(page)).toBe('Der Server konnte diese Anfrage nicht lesen');
  const mails = await openMailFolder(harness.api.workerPorts);
  onTestFinished(() => mails.close());
  const { email } = await signUp({ api: harness.api.url });
  await page.goto('/account/forgot-password');
  await page.getByLabel('E-Mail').fill(email);
  await button(page, 'E-Mail mit einem Link senden').click();
  await page.getByText(email).waitFor();
  const texts = (await mails.to(email)).map(({ text }) => text);
  expect(texts).toContainEqual(expect.stringContaining('Neues Passwort wählen:'));
});

test('a mail can be read in light and dark, wide and narrow, whatever the colour of the brand', async () => {
  const { page } = await harness.visit();
  const coded = { url: PAGES_ORIGIN, code: 'x'.repeat(43), typed: 'BCDFGHJK', lifeSeconds: 3_600 };
  const brand = { ...DEFAULT_BRAND, name: 'شركة المثال', colour: '#ffcc00' };
  await page.goto('about:blank');
  for (const html of [
    renderMail(english.verifyLetter(coded)).html,
    renderMail(german.unlockLetter(coded, german.closedWords(PAGES_ORIGIN)), 'de', brand).html,
    renderMail(english.passwordChangedLetter, 'en', brand).html,
  ]) {
    await page.setContent(html);
    await expectReadable(page);
  }
});

test('after a click on a mailed link the code is in no visible field, and the page leads on to the sign-in', async () => {
  const { page } = await harness.visit();
  const mails = await openMailFolder(harness.api.workerPorts);
  onTestFinished(() => mails.close());
  const user = await signUp({ api: harness.api.url });
  await send(harness.api.url, 'POST', '/api/auth/request-password-reset', { json: { email: user.email } });
  const sent = await mails.to(user.email);
  const { page: path, code } = sent.find((mail) => mail.page?.endsWith('/account/reset-password')) ?? {};
  await page.goto(`${path}#${code}`);
  expect(await page.getByLabel('Code from the mail').filter({ visible: true }).count()).toBe(0);
  expect(await page.locator('input:visible:not([type=checkbox])').count()).toBe(1);
  const password = 'a new pass phrase of my own';
  await page.getByLabel('New password').fill(password);
  await button(page, 'Change password').click();
  await page.getByText('Your password is changed').waitFor();
  await page.getByRole('link', { name: 'Sign in' }).click();
  await signInOn(page, { email: user.email, password });
  expect(await heading(page)).toBe('Your account');
});
