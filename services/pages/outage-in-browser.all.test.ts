// About: services/pages/ console/src/
// Pages that are open in a browser while the service does not answer. Minutes pass by the browser's own clock alone; in
// `outage-of-minutes.all.test.ts` they are real.

import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { defineStatement } from '#services/platform/define/statement.ts';
import { newEmail } from '#tools/testing/flows/flows.ts';
import { newSignedIn } from '#tools/testing/flows/signed-in.ts';
import { expectReadable, launchChromiumFor, PAGES_ORIGIN, visit } from '#tools/testing/harness/browser.ts';
import { asShipped } from '#tools/testing/harness/busy-machine.ts';
import { opened } from '#tools/testing/opened.ts';
import { startTcpProxy } from '#tools/testing/processes/tcp-proxy.ts';
import { openConsoleHarness, openPage } from './console-browser-harness.ts';
import { button, heading, seen } from './pages-harness.ts';

asShipped();

const AWAY = 'The service does not answer. This page tries again by itself.';
/** Minutes that pass in the page at once. */
const wait = (page: Page, minutes: number): Promise<void> => page.clock.fastForward(minutes * 60_000);

let browser: Browser;
const harness = opened(openConsoleHarness);
/** What stands between browser and API. */
const line = opened(() => startTcpProxy(harness.api.url));
beforeAll(async () => {
  browser = await launchChromiumFor(PAGES_ORIGIN, line.url);
});
afterAll(() => browser?.close());

test('a form that is sent in an outage keeps what was typed, says so, and goes on by itself', async () => {
  const { page } = await visit(browser, {});
  await page.clock.install();
  await page.goto('/login');
  const [email, password] = [newEmail(), 'seven quiet rivers of tin'];
  await page.getByLabel('E-mail').fill(email);
  await page.getByLabel('Password', { exact: true }).fill(password);
  const note = page.getByText(AWAY);
  expect(await note.isVisible()).toBe(false);

  await line.cut();
  await wait(page, 1);
  await button(page, 'Sign in').click();
  await note.waitFor();
  await expectReadable(page, 'outage');
  // A second click sends nothing twice.
  await button(page, 'Sign in').click();
  await wait(page, 2);
  expect(await page.getByLabel('E-mail').inputValue()).toBe(email);
  expect(await page.getByLabel('Password', { exact: true }).inputValue()).toBe(password);
  expect(new URL(page.url()).pathname).toBe('/login');
  expect(await note.isVisible()).toBe(true);

  await line.restore();
  await wait(page, 1);
  await page.getByText('E-mail or password is wrong').waitFor();
  expect(await page.getByLabel('E-mail').inputValue()).toBe(email);
});

test('a link that is followed in an outage is followed once the service answers', async () => {
  const { page } = await visit(browser, {});
  await page.clock.install();
  await page.goto('/login');
  await line.cut();
  await wait(page, 1);
  await page.getByRole('link', { name: 'Forgot password?' }).click();
  await page.getByText(AWAY).waitFor();
  await line.restore();
  await wait(page, 1);
  await page.waitForURL('**/account/forgot-password*');
});

test('a page that could not be shown for want of the database comes back by itself, in words for people', async () => {
  const user = await newSignedIn(harness.api);
  const { page } = await visit(browser, { locale: 'de-DE' }, user);
  // The page stays while it is looked at: it hears nothing before the table is free again.
  await page.route('**/readyz', (route) => route.abort());
  await harness.harness.owner.transact(async (tx) => {
    await tx.query(defineStatement('')`LOCK TABLE passkeys IN ACCESS EXCLUSIVE MODE`);
    await page.goto('/account/security');
    expect(await heading(page)).toBe('Der Dienst antwortet gerade nicht');
    expect(await seen(page)).toContain('Diese Seite versucht es von selbst wieder.');
    expect(await seen(page)).not.toMatch(/Retry|Sekunde|database|Postgres/);
    await expectReadable(page, 'unavailable');
  });
  await page.unroute('**/readyz');
  await page.getByRole('heading', { name: 'Passkeys' }).waitFor();
});

test('a service that falls silent is said to be away within two seconds, wherever one is in the console', async () => {
  const { user } = await harness.atConsole('admin');
  const { page } = await visit(browser, {}, user);
  await page.clock.install();
  await page.goto('/console/sign-in?return=/console');
  await openPage(page, '/console/inspector', 'Token inspector');
  const note = page.getByRole('status').filter({ hasText: AWAY });
  const heard = page.waitForResponse('**/readyz');
  await page.clock.pauseAt(Date.now() + 60_000);
  await heard;
  await expect.poll(() => note.count()).toBe(0);
  line.freeze();
  await page.clock.runFor(2_000);
  await note.waitFor();
  line.thaw();
  await page.clock.resume();
  await note.waitFor({ state: 'detached' });
});

test('without Redis the console says so, and live events are not called live', async () => {
  const redis = await startTcpProxy(harness.harness.redisUrl);
  const copy = await harness.harness.startCopy({ publicUrl: PAGES_ORIGIN, redisUrl: redis.url });
  await line.cut();
  line.lead(copy.url);
  await line.restore();
  const { user } = await harness.atConsole('admin');
  const { page } = await visit(browser, {}, user);
  await page.goto('/console/sign-in?return=/console');
  await openPage(page, '/console/stream', 'Live events');
  const badge = (text: string) => page.locator('.badge').filter({ hasText: text });
  await badge('live').waitFor();
  await redis.cut();
  await badge('held up').waitFor();
  expect(await badge('live').count()).toBe(0);
  await page.getByText('Redis does not answer. New events, mails and jobs wait until it does.').waitFor();
  await expectReadable(page, 'without Redis');
  await redis.restore();
  await badge('live').waitFor();
});
