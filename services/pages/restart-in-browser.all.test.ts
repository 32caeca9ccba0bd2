// About: console/src/ services/api/main.ts
// The API process ends and another one starts on the same stores, under pages of the console that are open.
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { expectReadable, launchChromium } from '#tools/testing/harness/browser.ts';
import { queryRows, rawSql } from '#tools/testing/harness/ports.ts';
import {
  type Product,
  type ProductHarness,
  startProduct,
  startProductHarness,
  startWorkerBeside,
} from '#tools/testing/harness/product.ts';
import { runCli } from '#tools/testing/processes/run-cli.ts';
import { openPage } from './console-browser-harness.ts';
import { button, signInOn } from './pages-harness.ts';

const AWAY = 'The service does not answer. This page tries again by itself.';

let harness: ProductHarness;
let worker: Product;
let again: Product | undefined;
let browser: Browser;
beforeAll(async () => {
  harness = await startProductHarness();
  worker = await startWorkerBeside(harness.product, { WORKER_COPIES: '1' });
  browser = await launchChromium();
});
afterAll(async () => {
  await browser?.close();
  await again?.dispose();
  await worker?.dispose();
  await harness?.close();
});

/** Pages of the sealed events, the newest first, once all are sealed. */
async function sealed(type = '%'): Promise<readonly string[]> {
  const rows = rawSql<{ seq: string }>((text, values) => queryRows(harness.databaseUrl)(text, values));
  await expect.poll(() => rows`SELECT seq FROM audit_outbox WHERE seq IS NULL`).toEqual([]);
  const found = await rows`SELECT seq FROM audit_events WHERE type LIKE ${type} ORDER BY seq DESC`;
  return found.map(({ seq }) => `/console/audit/${seq}`);
}

test('under a restart of the API a form loses nothing and is done once, and live events miss none', async () => {
  const { api, dataDir, credentials, stop } = harness.product;
  const stores = { databaseUrl: credentials.database_url, redisUrl: credentials.redis_url };
  const context = await browser.newContext({ baseURL: api });
  const [form, stream] = [await context.newPage(), await context.newPage()];
  await form.goto('/login');
  await signInOn(form, credentials.admin);
  await form.waitForURL('**/account**');
  await form.goto('/console/sign-in?return=/console');
  await openPage(form, '/console/roles', 'Roles');
  await button(form, 'Create a role').click();
  const dialog = form.getByRole('dialog', { name: 'Create a role' });
  const create = dialog.getByRole('button', { name: 'Create a role' });
  const typed = { Description: 'Watches at night', Permissions: 'users:read', Reason: 'we grow' };
  await dialog.getByLabel('Name').fill('night-shift');
  await openPage(stream, '/console/stream', 'Live events');
  const badge = (text: string) => stream.locator('.badge').filter({ hasText: text });
  const rows = stream.getByRole('list', { name: 'Live events' }).locator('[data-row]');
  await badge('live').waitFor();
  const [before, { length: created }] = [await sealed(), await sealed('role.created')];

  await stop();
  const notes = [form, stream].map((page) => page.getByRole('status').filter({ hasText: AWAY }));
  for (const note of notes) await note.waitFor();
  expect(await badge('live').count()).toBe(0);
  for (const [name, text] of Object.entries(typed)) await dialog.getByLabel(name).fill(text);
  await create.click();
  await dialog.getByRole('alert').filter({ hasText: 'Try again when it does.' }).waitFor();
  const args = ['roles', 'create', 'meanwhile', 'users:read', '--description', 'New', '--reason', 'test', '--yes'];
  const env = { DATABASE_URL: stores.databaseUrl, REDIS_URL: stores.redisUrl, SALLYPORT_DATA_DIR: dataDir };
  expect(await runCli(args, env)).toMatchObject({ code: 0 });

  again = await startProduct({ dataDir, stores, env: { PORT: new URL(api).port, WORKER_COPIES: '0' } });
  for (const note of notes) await note.waitFor({ state: 'detached' });
  expect(await sealed('role.created')).toHaveLength(created + 1);
  for (const [name, text] of Object.entries({ Name: 'night-shift', ...typed }))
    expect(await dialog.getByLabel(name).inputValue()).toBe(text);
  await create.click();
  await dialog.waitFor({ state: 'detached' });
  expect(await sealed('role.created')).toHaveLength(created + 2);

  await badge('live').waitFor();
  const missed = (await sealed()).slice(0, -before.length);
  const links = () => rows.evaluateAll((all) => all.map((link) => link.getAttribute('href')));
  await expect.poll(async () => (await links()).slice(0, missed.length)).toEqual(missed);
  await expectReadable(stream, 'restarted');
});
