// About: services/pages/
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createFileOutbox, mailFolderOf } from '#services/platform/mail/file-outbox.ts';
import { expectReadable, openBrowserHarness, PAGES_ORIGIN } from '#tools/testing/harness/browser.ts';
import { send } from '#tools/testing/http-client.ts';
import { opened } from '#tools/testing/opened.ts';
import { button, heading, seen } from './pages-harness.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'start-page-'));
});
const harness = opened(() => openBrowserHarness({ SALLYPORT_DATA_DIR: folder }));
afterAll(() => rm(folder, { recursive: true, force: true }));

/** A request without a browser, to the address where the API listens. */
const asBrowser = (path: string, headers: Record<string, string> = {}) =>
  send(harness.api.url, 'GET', path, { headers: { accept: 'text/html', ...headers } });

test('the address of the service leads a browser to sign-in, sign-up and the reference, and shows the demo login', async () => {
  const { page } = await harness.visit();
  await page.goto('/');
  expect(await heading(page)).toBe('Sallyport is running');
  expect(await seen(page)).not.toContain('Demo login');
  const demo = { email: 'demo@example.test', password: 'a demo <b>password</b>' };
  await writeFile(join(folder, 'dev-credentials.json'), JSON.stringify({ user: demo }));
  await page.reload();
  expect(await seen(page)).toContain(`Demo login: ${demo.email} with the password ${demo.password}`);
  expect(await seen(page)).toContain('postgres ok');
  await expectReadable(page);
  for (const name of ['API reference', 'Error codes', 'OpenID configuration', 'Health', 'Create account']) {
    const path = await page.getByRole('link', { name }).getAttribute('href');
    expect([name, (await asBrowser(path as string)).status]).toEqual([name, 200]);
  }
  await page.getByRole('link', { name: 'Sign in' }).click();
  expect(await button(page, 'Sign in').count()).toBe(1);
});

test('the reference is searched while the reader types, and Enter opens the first operation that is left', async () => {
  const { page } = await harness.visit();
  await page.goto('/docs');
  const shown = page.locator('nav li').filter({ visible: true });
  const before = await shown.count();
  await page.getByLabel('Search operations').fill('rotate api_key_id');
  await expect.poll(() => shown.allInnerTexts()).toEqual([expect.stringContaining('/v1/api-keys/{api_key_id}/rotate')]);
  expect(await page.getByRole('status').textContent()).toBe('1 found');
  await page.keyboard.press('Enter');
  await expect.poll(() => new URL(page.url()).hash).toBe('#rotateApiKey');
  await page.getByLabel('Search operations').fill('');
  await expect.poll(() => shown.count()).toBe(before);
});

test.each([
  ['en', 'This page does not exist', 'Start page', 'API reference'],
  ['de', 'Diese Seite gibt es nicht', 'Startseite', 'API-Referenz'],
])('an unknown path is a page in %s, which leads to the start page and the reference', async (locale, ...texts) => {
  const [title, start, reference] = texts as [string, string, string];
  const { page } = await harness.visit({ locale });
  for (const path of ['/nothing', '/account/nothing', '/v1/nothing?q=<b>']) {
    expect([path, (await page.goto(path))?.status(), await heading(page)]).toEqual([path, 404, title]);
    await expectReadable(page);
  }
  const pathOf = (name: string) => page.getByRole('link', { name }).getAttribute('href');
  expect([await pathOf(start), await pathOf(reference)]).toEqual(['/', '/docs']);
});

test('a client that accepts no HTML gets the same JSON as for any unknown path', async () => {
  for (const path of ['/', '/nothing', '/dev/mail', '/dev/mail/x.eml']) {
    const headers: Record<string, string> = path === '/' ? {} : { 'x-forwarded-for': '10.0.0.7' };
    const { status, body } = await send(harness.api.url, 'GET', path, { headers });
    expect([path, status, body.code]).toEqual([path, 404, 'route_unknown']);
  }
});

test('mails that were not sent are listed and shown, hostile text as text, and their links can be followed', async () => {
  const { page } = await harness.visit();
  await page.goto('/dev/mail');
  expect(await seen(page)).toContain('There is no mail yet.');
  const outbox = createFileOutbox(mailFolderOf(folder), 'no-reply@example.com');
  const link = `${PAGES_ORIGIN}/account/reset-password#${'x'.repeat(43)}`;
  const text = `<script>alert(1)</script> שלום at ${PAGES_ORIGIN}, as asked.\n\nChoose a new password:\n${link}\n`;
  for (const [id, subject] of [
    ['1', 'First'],
    ['2', '<img src=x onerror=alert(1)>'],
  ] as const)
    await outbox.send({ id, to: `p${id}@people.test`, subject, text, html: '<p>x</p>' });
  await page.reload();
  await expectReadable(page);
  expect(await page.locator('main li a').allInnerTexts()).toEqual(['<img src=x onerror=alert(1)>', 'First']);
  await page.getByRole('link', { name: 'First' }).click();
  await expectReadable(page);
  expect(await seen(page)).toContain('To p1@people.test');
  expect(await seen(page)).toContain('<script>alert(1)</script>');
  // The comma after an address is not part of the link.
  expect(await page.locator('pre a').allInnerTexts()).toEqual([PAGES_ORIGIN, link]);
  await page.getByRole('link', { name: link }).click();
  expect(await heading(page)).toBe('Choose a new password');
});

test.each([
  ['through a proxy', { 'x-forwarded-for': '10.0.0.7' }],
  ['through a proxy of RFC 7239', { forwarded: 'for=10.0.0.7' }],
])('%s neither mails nor the demo login are shown', async (_name, headers) => {
  for (const path of ['/dev/mail', '/dev/mail/1.eml', '/dev/mail/..%2Fdev-credentials.json'])
    expect([path, (await asBrowser(path, headers)).status]).toEqual([path, 404]);
  const { status, text } = await asBrowser('/', headers);
  expect([status, text.includes('demo@example.test')]).toEqual([200, false]);
  expect((await asBrowser('/')).text).toContain('demo@example.test');
});

test('no path leaves the folder of the mails', async () => {
  for (const name of ['..%2Fdev-credentials.json', '%2e%2e', 'x.eml', '.eml', `${'x'.repeat(200)}.eml`])
    expect([name, (await asBrowser(`/dev/mail/${name}`)).status]).toEqual([
      name,
      expect.toSatisfy((status) => status === 404 || status === 400),
    ]);
});
