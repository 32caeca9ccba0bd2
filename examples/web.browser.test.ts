import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { randomFreePort } from '#services/platform/local/ports.ts';
import { eventually } from '#testing/eventually.ts';
import { newEmail, newPassword } from '#testing/flows/flows.ts';
import { expectReadable, launchChromium, visit } from '#testing/harness/browser.ts';
import { type Product, startProduct } from '#testing/harness/product.ts';
import { send } from '#testing/http-client.ts';

const FOLDER = join(import.meta.dirname, 'web-next');

let product: Product;
let site: ChildProcess | undefined;
let origin: string;
let browser: Browser;

beforeAll(async () => {
  const port = await randomFreePort();
  origin = `http://127.0.0.1:${port}`;
  product = await startProduct({
    clusterDir: inject('clusterDir'),
    args: ['--with', 'tasks'],
    env: { WORKER_COPIES: '0', CORS_ORIGINS: origin },
  });
  const args = ['node_modules/next/dist/bin/next', 'start', '--hostname', '127.0.0.1', '--port', String(port)];
  site = spawn(process.execPath, args, {
    cwd: FOLDER,
    env: { PATH: process.env.PATH, SALLYPORT_URL: product.api, TASKS_URL: product.ready.tasks },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  browser = await launchChromium();
  await eventually('the Next.js example', () =>
    send(origin, 'GET', '/login').then(
      ({ status }) => status === 200 || undefined,
      () => undefined,
    ),
  );
}, 240_000);

afterAll(async () => {
  await browser?.close();
  if (site !== undefined && site.exitCode === null) {
    site.kill();
    await once(site, 'exit');
  }
  await product?.dispose();
});

type Person = { readonly email: string; readonly password: string; readonly id: string };

/** Signs a new user up on the page, and returns once their tasks are shown. */
async function signUp(page: Page): Promise<Person> {
  const [email, password] = [newEmail(), newPassword()];
  await page.goto('/signup');
  await page.getByLabel('Name').fill('Ada');
  await page.getByLabel('E-mail').fill(email);
  await page.getByLabel('Password').fill(password);
  await page.getByRole('button', { name: 'Sign up' }).click();
  await page.waitForURL('**/tasks/*');
  await page.getByText('No tasks yet.').waitFor();
  return { email, password, id: page.url().split('/').at(-1) ?? '' };
}

async function addTask(page: Page, title: string): Promise<void> {
  await page.getByLabel('New task').fill(title);
  await page.getByRole('button', { name: 'Add' }).click();
  await page.getByRole('checkbox', { name: title }).waitFor();
}

test('a new user signs up, keeps tasks over a reload, signs out and in again', async () => {
  const { page, context, complaints } = await visit(browser, { baseURL: origin });
  const { id, email, password } = await signUp(page);
  await addTask(page, 'write the letter');
  await addTask(page, 'post the letter');
  await page.getByRole('checkbox', { name: 'write the letter' }).click();
  await expect.poll(() => page.getByRole('checkbox', { name: 'write the letter' }).isChecked()).toBe(true);
  await page.getByRole('button', { name: 'Delete post the letter' }).click();
  await expect.poll(() => page.getByRole('checkbox').count()).toBe(1);
  await page.reload();
  await expect.poll(() => page.getByRole('checkbox', { name: 'write the letter' }).isChecked()).toBe(true);
  await page.getByText(email).waitFor();

  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.waitForURL('**/login');
  await page.getByLabel('E-mail').fill(email);
  await page.getByLabel('Password').fill('not the password');
  await page.getByRole('button', { name: 'Sign in' }).click();
  await expect.poll(() => page.getByRole('status').textContent()).not.toBe('');
  expect(page.url()).toBe(`${origin}/login`);
  await page.getByLabel('Password').fill(password);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.waitForURL(`**/tasks/${id}`);
  await page.getByRole('checkbox', { name: 'write the letter' }).waitFor();
  expect(complaints).toEqual([]);
  await context.close();
});

test('a signed-out visitor is sent to /login, and a forged session cookie changes nothing', async () => {
  const { page, context } = await visit(browser, { baseURL: origin });
  for (const path of ['/', '/tasks/anyone']) {
    await page.goto(path);
    expect(page.url()).toBe(`${origin}/login`);
  }
  await context.addCookies([{ name: 'better-auth.session_token', value: 'forged.c2lnbmF0dXJl', url: origin }]);
  await page.goto('/tasks/anyone');
  expect(page.url()).toBe(`${origin}/login`);
  expect(await page.evaluate(`fetch('/api/token', { method: 'POST' }).then(({ status }) => status)`)).toBe(401);
  await context.close();
});

test('the path of another user shows the refusal of the tasks API, and none of their tasks', async () => {
  const [ada, eve] = [await visit(browser, { baseURL: origin }), await visit(browser, { baseURL: origin })];
  const { id } = await signUp(ada.page);
  await addTask(ada.page, 'a secret of Ada');
  await signUp(eve.page);
  const refused = eve.page.waitForResponse(`${origin}/api/${id}/tasks`);
  await eve.page.goto(`/tasks/${id}`);
  expect((await refused).status()).toBe(403);
  await expect.poll(() => eve.page.getByRole('status').textContent()).toMatch(/user/);
  expect(await eve.page.content()).not.toContain('a secret of Ada');
  await Promise.all([ada.context.close(), eve.context.close()]);
});

test('scripts read no refresh token: it is in an HttpOnly cookie of one path, and nothing is stored', async () => {
  const { page, context } = await visit(browser, { baseURL: origin });
  const answered = page.waitForResponse(`${origin}/api/token`);
  await signUp(page);
  expect(Object.keys(await (await answered).json()).sort()).toEqual(['access_token', 'expires_in']);
  const kept = (await context.cookies(`${origin}/api/token`)).find(({ name }) => name === 'refresh_token');
  expect(kept).toMatchObject({ httpOnly: true, sameSite: 'Strict', path: '/api/token' });
  expect(await page.evaluate('document.cookie')).not.toMatch(/session_token|refresh_token/);
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.waitForURL('**/login');
  expect(await page.evaluate('[localStorage.length, JSON.stringify({ ...sessionStorage })]')).toEqual([0, '{}']);
  // Cross-site: a page elsewhere may not rotate the token.
  const foreign = await fetch(`${origin}/api/token`, { method: 'POST', headers: { 'sec-fetch-site': 'same-site' } });
  expect(foreign.status).toBe(403);
  await context.close();
});

test('tabs that need a token at once refresh one after the other, and signing out in one ends the other', async () => {
  const { page, context } = await visit(browser, { baseURL: origin });
  const { id } = await signUp(page);
  await addTask(page, 'shared by the tabs');
  const tabs = [page, await context.newPage(), await context.newPage()];
  let [underWay, atOnce] = [0, 0];
  const statuses: number[] = [];
  await context.route('**/api/token', async (route) => {
    underWay += 1;
    atOnce = Math.max(atOnce, underWay);
    // Longer than the tabs need to load, so that without the lock their refreshes would overlap.
    await new Promise((done) => setTimeout(done, 1_500));
    await route.continue();
  });
  context.on('response', (response) => {
    if (!response.url().endsWith('/api/token')) return;
    underWay -= 1;
    statuses.push(response.status());
  });
  await Promise.all(tabs.map((tab) => tab.goto(`/tasks/${id}`)));
  await Promise.all(tabs.map((tab) => tab.getByRole('checkbox', { name: 'shared by the tabs' }).waitFor()));
  expect(atOnce).toBe(1);
  expect(new Set(statuses)).toEqual(new Set([200]));

  await context.unroute('**/api/token');
  await tabs[1]?.getByRole('button', { name: 'Sign out' }).click();
  await Promise.all(tabs.map((tab) => tab.waitForURL('**/login')));
  await context.close();
});

test('an access token that the tasks API refuses is replaced without a word to the user', async () => {
  const { page, context } = await visit(browser, { baseURL: origin });
  await signUp(page);
  const bearers: string[] = [];
  await page.route('**/api/*/tasks', async (route) => {
    bearers.push((await route.request().allHeaders()).authorization ?? '');
    if (bearers.length > 1) return route.continue();
    return route.fulfill({ status: 401, json: { code: 'revoked', title: 'Token revoked' } });
  });
  await addTask(page, 'after the refresh');
  expect(bearers[0]).not.toBe(bearers[1]);
  expect(await page.getByRole('status').textContent()).toBe('');
  await context.close();
});

test('the next user of a browser gets no token of the user before, even if the refresh cookie stayed', async () => {
  const { page, context } = await visit(browser, { baseURL: origin });
  const first = await signUp(page);
  const left = (await context.cookies(`${origin}/api/token`)).filter(({ name }) => name === 'refresh_token');
  await context.clearCookies();
  await context.addCookies(left);
  const second = await signUp(page);
  const token = (await page.evaluate(
    `fetch('/api/token', { method: 'POST' }).then((answer) => answer.json()).then(({ access_token }) => access_token)`,
  )) as string;
  const { sub } = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString());
  expect([left.length, sub]).toEqual([1, second.id]);
  expect(second.id).not.toBe(first.id);
  await context.close();
});

test.each(['/login', '/signup'])('%s is readable in light and dark, narrow and wide', async (path) => {
  const { page, context } = await visit(browser, { baseURL: origin });
  await page.goto(path);
  await expectReadable(page);
  await context.close();
});

test('the tasks are readable in light and dark, narrow and wide', async () => {
  const { page, context } = await visit(browser, { baseURL: origin });
  await signUp(page);
  await addTask(page, 'w'.repeat(200));
  await expectReadable(page);
  await context.close();
});
