import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { randomFreePort } from '#services/platform/local/ports.ts';
import { eventually } from '#tools/testing/eventually.ts';
import { LEGACY_AUDIENCE, type LegacyProvider, startLegacyProvider } from '#tools/testing/fakes/legacy-provider.ts';
import { newEmail, newPassword } from '#tools/testing/flows/flows.ts';
import { expectReadable, launchChromium, visit } from '#tools/testing/harness/browser.ts';
import { queryRows } from '#tools/testing/harness/ports.ts';
import { type Product, startProduct } from '#tools/testing/harness/product.ts';
import { send } from '#tools/testing/http-client.ts';
import { environment } from './web-setup.ts';

const EXAMPLES = ['web-next', 'web-astro'] as const;
type Example = (typeof EXAMPLES)[number];

const OLD_SESSION_COOKIE = '__session';

let product: Product;
let provider: LegacyProvider;
let browser: Browser;
const origins = {} as Record<Example, string>;
const sites: ChildProcess[] = [];

/** Serves an example at `http://127.0.0.1:<port>`. @param sallyport its address */
async function start(example: Example, port: number, sallyport: string): Promise<ChildProcess> {
  const { client_id: CLIENT_ID, client_secret: CLIENT_SECRET } = product.credentials.client;
  const next = ['node_modules/next/dist/bin/next', 'start', '--hostname', '127.0.0.1', '--port', String(port)];
  const site = spawn(process.execPath, example === 'web-next' ? next : ['dist/server/entry.mjs'], {
    cwd: join(import.meta.dirname, example),
    env: {
      ...environment(),
      SALLYPORT_URL: sallyport,
      OLD_SESSION_COOKIE,
      ...(example === 'web-next'
        ? { TASKS_URL: product.ready.tasks }
        : { HOST: '127.0.0.1', PORT: String(port), CLIENT_ID, CLIENT_SECRET }),
    },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  sites.push(site);
  await eventually(example, () =>
    send(`http://127.0.0.1:${port}`, 'GET', '/login').then(
      ({ status }) => status === 200 || undefined,
      () => undefined,
    ),
  );
  return site;
}

async function stop(site: ChildProcess): Promise<void> {
  if (site.exitCode !== null || site.signalCode !== null) return;
  site.kill();
  await once(site, 'exit');
}

beforeAll(async () => {
  const ports = await Promise.all(EXAMPLES.map(() => randomFreePort()));
  for (const [at, example] of EXAMPLES.entries()) origins[example] = `http://127.0.0.1:${ports[at]}`;
  provider = await startLegacyProvider();
  const legacy = { LEGACY_ISSUER: provider.issuer, LEGACY_JWKS_URI: provider.jwksUri, LEGACY_AUDIENCE };
  product = await startProduct({
    clusterDir: inject('clusterDir'),
    args: ['--with', 'tasks'],
    env: { WORKER_COPIES: '0', ...legacy },
  });
  browser = await launchChromium();
  await Promise.all(EXAMPLES.map((example, at) => start(example, ports[at] as number, product.api)));
});

afterAll(async () => {
  await browser?.close();
  for (const site of sites) await stop(site);
  await product?.dispose();
  await provider?.close();
});

type Person = { readonly email: string; readonly password: string };

async function fillIn(page: Page, { email, password }: Person, button: 'Sign up' | 'Sign in'): Promise<void> {
  await page.getByLabel('E-mail').fill(email);
  await page.getByLabel('Password').fill(password);
  await page.getByRole('button', { name: button, exact: true }).click();
}

/** By the menu of `<UserButton/>`. */
async function signOut(page: Page, { email }: Pick<Person, 'email'>): Promise<void> {
  await page.getByRole('button', { name: email }).click();
  await page.getByRole('button', { name: 'Sign out' }).click();
}

/** Waits for the header that says who is signed in. */
async function shown(page: Page, { email }: Pick<Person, 'email'>): Promise<void> {
  await page.waitForURL(({ pathname }) => pathname !== '/login');
  await page.getByRole('button', { name: email }).waitFor();
}

/** Signs a new user up on the page. */
async function signUp(page: Page): Promise<Person> {
  const person = { email: newEmail(), password: newPassword() };
  await page.goto('/login');
  await page.getByRole('button', { name: 'Create an account' }).click();
  await page.getByLabel('Name').fill('Ada');
  await fillIn(page, person, 'Sign up');
  await shown(page, person);
  return person;
}

const refreshCookieOf = async (context: BrowserContext, origin: string) =>
  (await context.cookies(`${origin}/api/token`)).find(({ name }) => name === 'refresh_token');

/** By its address: a page may begin this navigation twice, and the second aborts the first. */
const reachesLogin = (page: Page): Promise<void> =>
  expect.poll(() => new URL(page.url()).pathname, { timeout: 15_000 }).toBe('/login');

describe.each(EXAMPLES)('%s', (example) => {
  const open = () => visit(browser, { baseURL: origins[example] });

  test('a new user stays signed in over a reload, signs out, and in again with the right password', async () => {
    const { page, context, complaints } = await open();
    const person = await signUp(page);
    await page.reload();
    await shown(page, person);
    await signOut(page, person);
    await reachesLogin(page);
    await fillIn(page, { ...person, password: 'not the password' }, 'Sign in');
    await expect.poll(() => page.getByRole('alert').first().textContent()).not.toBe('');
    expect(page.url()).toBe(`${origins[example]}/login`);
    await fillIn(page, person, 'Sign in');
    await shown(page, person);
    expect(complaints).toEqual([]);
    await context.close();
  });

  test('a signed-out visitor is sent to /login, and a forged cookie changes nothing', async () => {
    const { page, context } = await open();
    const name = example === 'web-next' ? 'better-auth.session_token' : 'refresh_token';
    for (const cookies of [[], [{ name, value: 'forged.c2lnbmF0dXJl', url: origins[example] }]]) {
      await context.addCookies(cookies);
      await page.goto('/');
      await reachesLogin(page);
    }
    expect(await page.evaluate(`fetch('/api/token', { method: 'POST' }).then(({ status }) => status)`)).toBe(401);
    await context.close();
  });

  test('a user with a live session at the old provider needs no sign-in, and after a sign-out needs one', async () => {
    const json = { email: newEmail(), password: newPassword() };
    const { body } = await send(product.api, 'POST', '/api/auth/signup', { json });
    const sub = randomUUID();
    const link = `INSERT INTO legacy_users (provider, legacy_id, user_id) VALUES ('legacy', $1, $2)`;
    await queryRows(product.credentials.database_url)(link, [sub, body.user.id]);
    const { page, context, complaints } = await open();
    const oldSession = async (claims: object) =>
      context.addCookies([
        { name: OLD_SESSION_COOKIE, value: await provider.token({ ...claims }), url: origins[example] },
      ]);
    await oldSession({ sub: 'unknown', sid: randomUUID() });
    await page.goto('/');
    await reachesLogin(page);
    await oldSession({ sub, sid: randomUUID() });
    const answered = page.waitForResponse(async (response) => (await response.headerValue('set-cookie')) !== null);
    await page.goto('/');
    expect(await (await answered).headerValue('cache-control')).toMatch(/private.*no-store/);
    await shown(page, json);
    await page.reload();
    await shown(page, json);
    await signOut(page, json);
    await reachesLogin(page);
    // The old cookie is still there, and its session has ended for good.
    await page.goto('/');
    await reachesLogin(page);
    expect(complaints).toEqual([]);
    await context.close();
  });

  test('a user with a session at the old provider sees the sign-in while Sallyport does not answer', async () => {
    const silent = createServer(() => {});
    await once(silent.listen(0, '127.0.0.1'), 'listening');
    const port = await randomFreePort();
    const site = await start(example, port, `http://127.0.0.1:${(silent.address() as AddressInfo).port}`);
    try {
      const { page, context } = await visit(browser, { baseURL: `http://127.0.0.1:${port}` });
      const cookie = { name: OLD_SESSION_COOKIE, value: 'token', url: `http://127.0.0.1:${port}` };
      await context.addCookies([cookie]);
      await page.goto('/');
      await reachesLogin(page);
      await page.getByRole('button', { name: 'Sign in', exact: true }).waitFor();
      await context.close();
    } finally {
      await stop(site);
      silent.closeAllConnections();
      silent.close();
    }
  });

  test('scripts read no refresh token: it is in an HttpOnly cookie, and nothing is stored', async () => {
    const { page, context } = await open();
    const answered = page.waitForResponse(`${origins[example]}/api/token`);
    const person = await signUp(page);
    expect(Object.keys(await (await answered).json()).sort()).toEqual(['access_token', 'expires_in']);
    const kept = example === 'web-astro' ? { sameSite: 'Lax', secure: true } : { sameSite: 'Strict' };
    expect(await refreshCookieOf(context, origins[example])).toMatchObject({ ...kept, httpOnly: true });
    expect(await page.evaluate('document.cookie')).not.toMatch(/session_token|refresh_token/);
    await signOut(page, person);
    await reachesLogin(page);
    expect(await page.evaluate('[localStorage.length, sessionStorage.length]')).toEqual([0, 0]);
    // Another origin of the same site, whose requests carry the cookies, may not rotate the token.
    const headers = { 'sec-fetch-site': 'same-site' };
    expect((await fetch(`${origins[example]}/api/token`, { method: 'POST', headers })).status).toBe(403);
    await context.close();
  });

  test('an access token that the service refuses is replaced without a word to the user', async () => {
    const { page, context } = await open();
    const person = await signUp(page);
    const bearers: string[] = [];
    await page.route(example === 'web-next' ? '**/api/*/tasks' : '**/api/account', async (route) => {
      bearers.push((await route.request().allHeaders()).authorization ?? '');
      if (bearers.length > 1) return route.continue();
      return route.fulfill({ status: 401, json: { code: 'revoked', title: 'Token revoked' } });
    });
    await page.reload();
    await shown(page, person);
    await expect.poll(() => new Set(bearers).size).toBe(2);
    await context.close();
  });

  test('tabs that need a token at once refresh one after the other, and end with the session', async () => {
    const { page, context } = await open();
    // The first token is there before the tabs ask.
    const answered = page.waitForResponse(`${origins[example]}/api/token`);
    const { email } = await signUp(page);
    await answered;
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
    await Promise.all(tabs.map((tab) => tab.goto(page.url())));
    await Promise.all(tabs.map((tab) => shown(tab, { email })));
    await expect.poll(() => statuses.length > 0 && underWay, { timeout: 15_000 }).toBe(0);
    expect(atOnce).toBe(1);
    expect(new Set(statuses)).toEqual(new Set([200]));
    await context.unroute('**/api/token');
    await signOut(page, { email });
    await reachesLogin(page);
    // In the Next.js example by themselves; the Astro example asks with its next request, which may end its reload, or come
    // before it.
    const isLeft = /ERR_ABORTED|Not attached to an active page/;
    const reload = (tab: Page) => tab.reload().catch((err) => expect(String(err)).toMatch(isLeft));
    if (example === 'web-astro') await Promise.all(tabs.slice(1).map(reload));
    await Promise.all(tabs.map(reachesLogin));
    await context.close();
  });

  test('its pages are readable in light and dark, narrow and wide', async () => {
    const { page, context } = await open();
    await page.goto('/login');
    await expectReadable(page, example);
    await signUp(page);
    await expectReadable(page, example);
    await context.close();
  });
});

describe('web-next', () => {
  const origin = () => origins['web-next'];
  const open = () => visit(browser, { baseURL: origin() });
  const idOf = (page: Page): string => page.url().split('/').at(-1) ?? '';

  async function addTask(page: Page, title: string): Promise<void> {
    await page.getByLabel('New task').fill(title);
    await page.getByRole('button', { name: 'Add' }).click();
    await page.getByRole('checkbox', { name: title }).waitFor();
  }

  test('a user adds, completes and deletes tasks, whose list is readable', async () => {
    const { page, context, complaints } = await open();
    const long = 'w'.repeat(200);
    await signUp(page);
    await page.getByText('No tasks yet.').waitFor();
    await addTask(page, long);
    await addTask(page, 'post the letter');
    await page.getByRole('checkbox', { name: long }).click();
    await expect.poll(() => page.getByRole('checkbox', { name: long }).isChecked()).toBe(true);
    await page.getByRole('button', { name: 'Delete post the letter' }).click();
    await expect.poll(() => page.getByRole('checkbox').count()).toBe(1);
    await page.reload();
    await expect.poll(() => page.getByRole('checkbox', { name: long }).isChecked()).toBe(true);
    await expectReadable(page);
    expect(complaints).toEqual([]);
    await context.close();
  });

  test('the path of another user shows the refusal of the tasks API, and none of their tasks', async () => {
    const [ada, eve] = [await open(), await open()];
    await signUp(ada.page);
    await addTask(ada.page, 'a secret of Ada');
    await signUp(eve.page);
    const id = idOf(ada.page);
    const refused = eve.page.waitForResponse(`${origin()}/api/${id}/tasks`);
    await eve.page.goto(`/tasks/${id}`);
    expect((await refused).status()).toBe(403);
    await expect.poll(() => eve.page.getByRole('status').textContent()).toMatch(/user/);
    expect(await eve.page.content()).not.toContain('a secret of Ada');
    await Promise.all([ada.context.close(), eve.context.close()]);
  });

  test('the next user of a browser gets no token of the user before, even if the refresh cookie stayed', async () => {
    const { page, context } = await open();
    await signUp(page);
    await page.getByText('No tasks yet.').waitFor();
    const first = idOf(page);
    const left = await refreshCookieOf(context, origin());
    expect(left).toMatchObject({ sameSite: 'Strict', path: '/api/token' });
    await context.clearCookies();
    await context.addCookies([left as NonNullable<typeof left>]);
    await signUp(page);
    await page.getByText('No tasks yet.').waitFor();
    const token = (await page.evaluate(
      `fetch('/api/token', { method: 'POST' }).then((answer) => answer.json()).then(({ access_token }) => access_token)`,
    )) as string;
    const { sub } = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString());
    expect(sub).toBe(idOf(page));
    expect(sub).not.toBe(first);
    await context.close();
  });
});

describe('web-astro', () => {
  const open = () => visit(browser, { baseURL: origins['web-astro'] });
  const ask = (path: string, bearer?: string) =>
    send(origins['web-astro'], 'GET', path, { cookie: 'refresh_token=any', ...(bearer ? { bearer } : {}) });

  test('the middleware verifies the access token of each request, however its path is written', async () => {
    const { page, context } = await open();
    const asked = page.waitForRequest('**/api/account');
    const { email } = await signUp(page);
    const token = ((await (await asked).allHeaders()).authorization ?? '').replace('Bearer ', '');
    expect((await ask('/api/account', token)).body).toEqual({ user_id: expect.any(String), email });
    expect((await ask('/api/account')).body.code).toBe('unauthenticated');
    expect((await ask('/api/account', 'not.a.token')).body.code).toBe('malformed');
    for (const path of ['/%61pi/account', '/%2561pi/account', '//api/account', '/api/account/'])
      expect([path, (await ask(path)).status]).toEqual([path, 401]);

    // The token has minutes left, but its session ends: the middleware learns of it from the feed.
    await signOut(page, { email });
    await reachesLogin(page);
    await expect.poll(async () => (await ask('/api/account', token)).status).toBe(401);
    expect(await refreshCookieOf(context, origins['web-astro'])).toBe(undefined);
    await context.close();
  });
});
