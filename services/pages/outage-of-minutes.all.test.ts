// About: services/pages/ console/src/
// Three minutes of real time without Postgres and Redis, for pages that are open in a browser, and stay open.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { launchChromium } from '#tools/testing/harness/browser.ts';
import { asPromised } from '#tools/testing/harness/busy-machine.ts';
import { type Product, startProduct } from '#tools/testing/harness/product.ts';
import { type OwnStores, startOwnStores } from '#tools/testing/processes/own-stores.ts';
import { openPage } from './console-browser-harness.ts';
import { heading, signInOn } from './pages-harness.ts';

const AWAY_MS = 180_000;
/** The longest pause between two tries of a page is 19 seconds; the console reads its session every minute. */
const BACK_MS = 90_000;
const AWAY = 'The service does not answer. This page tries again by itself.';

vi.setConfig({ testTimeout: 2 * AWAY_MS });
asPromised();

let stores: OwnStores;
let product: Product;
let browser: Browser;
beforeAll(async () => {
  stores = await startOwnStores();
  // Ready no longer when the form is sent.
  product = await startProduct({ stores, env: { WORKER_COPIES: '0', REVOCATION_STALENESS_MS: '10000' } });
  browser = await launchChromium();
});
afterAll(async () => {
  await browser?.close();
  await product?.dispose();
  await stores?.dispose();
});

async function newPage(path: string): Promise<Page> {
  const page = await (await browser.newContext({ baseURL: product.api })).newPage();
  page.setDefaultTimeout(BACK_MS);
  await page.goto(path);
  return page;
}

test('pages that are open while the stores are away for three minutes come back by themselves', async () => {
  const { user, admin } = product.credentials;
  const form = await newPage('/login');
  const account = await newPage('/login');
  await signInOn(account, user);
  await account.waitForURL('**/account**');
  const people = await newPage('/login');
  await signInOn(people, admin);
  await people.waitForURL('**/account**');
  await people.goto('/console/sign-in?return=/console');
  await openPage(people, '/console/people', 'People');
  const search = people.getByRole('searchbox', { name: 'Address' });
  await search.fill('someb');

  for (const store of ['postgres', 'redis'] as const) await stores.end(store, 'SIGKILL');
  const since = performance.now();
  await account.goto('/account/security');
  // A form is sent without asking within 20 seconds of the last answer.
  await sleep(25_000);
  await signInOn(form, user);

  const notes = [form.getByText(AWAY), account.getByText('This page tries again by itself.'), people.getByText(AWAY)];
  for (const note of notes) await note.waitFor();
  await sleep(AWAY_MS - (performance.now() - since));
  for (const note of notes) expect(await note.isVisible()).toBe(true);
  expect(await heading(account)).toBe('The service does not answer at the moment');
  expect(await form.getByLabel('E-mail').inputValue()).toBe(user.email);
  expect(await search.inputValue()).toBe('someb');

  await stores.revive('postgres');
  await stores.revive('redis');
  await form.waitForURL('**/account**');
  await account.getByRole('heading', { name: 'Passkeys' }).waitFor();
  await people.getByText(AWAY).waitFor({ state: 'detached' });
  expect(await people.getByRole('button', { name: 'Try again' }).count()).toBe(0);
  expect(await search.inputValue()).toBe('someb');
});
