import type { Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { newSignedIn } from '#testing/flows/signed-in.ts';
import { type BrowserHarness, expectReadable, openBrowserHarness, type Visit } from '#testing/harness/browser.ts';
import { textOf } from './pages-harness.ts';

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

/** Every page: its address, its title in both languages, and the permission that it needs. */
const PAGES: readonly {
  readonly path: string;
  readonly en: string;
  readonly de: string;
  readonly permission?: string;
}[] = [
  { path: '/console', en: 'Overview', de: 'Übersicht' },
  { path: '/console/people', en: 'People', de: 'Personen', permission: 'users:read' },
  { path: '/console/people/{person}', en: '{email}', de: '{email}', permission: 'users:read' },
];

/** What a hostile user could call itself. */
const HOSTILE = `<img src=x onerror=alert(1)>"'</script><script>alert(2)</script>‮javascript:alert(3)`;

let harness: BrowserHarness;
let person: { readonly id: string; readonly email: string };
let administrator: Visit;
beforeAll(async () => {
  harness = await openBrowserHarness();
  person = await newSignedIn(harness.api);
  const agent = HOSTILE.slice(0, 100);
  await harness.harness.rows(`UPDATE users SET name = $2 WHERE id = $1`, [person.id, HOSTILE.slice(0, 100)]);
  await harness.harness.rows(`UPDATE sessions SET "userAgent" = $2 WHERE "userId" = $1`, [person.id, agent]);
  administrator = await atConsole('admin');
});
afterAll(() => harness?.close());

async function atConsole(role: string, options = {}): Promise<Visit> {
  const user = await newSignedIn(harness.api);
  await harness.harness.rows('INSERT INTO user_roles (user_id, role) VALUES ($1, $2)', [user.id, role]);
  const visit = await harness.visit(options, user);
  await visit.page.goto('/console/sign-in?return=/console');
  await visit.page.getByRole('heading', { level: 1 }).waitFor();
  return visit;
}

const filled = (text: string): string => text.replace('{person}', person.id).replace('{email}', person.email);

/** Opens a page of the console, and waits until it has loaded what it shows. */
async function open(page: Page, path: string, title: string): Promise<void> {
  await page.goto(filled(path));
  await page.getByRole('heading', { level: 1, name: filled(title), exact: true }).waitFor();
  await expect.poll(() => page.locator('.loading').count()).toBe(0);
}

test('a browser without a session gets the sign-in, and comes back to the page that it asked for', async () => {
  const user = await newSignedIn(harness.api);
  await harness.harness.rows(`INSERT INTO user_roles (user_id, role) VALUES ($1, 'admin')`, [user.id]);
  const { page, complaints, context } = await harness.visit({}, user);
  await page.goto('/console/people?q=person');
  await page.getByRole('button', { name: 'Sign in' }).waitFor();
  await expectReadable(page);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('heading', { name: 'People' }).waitFor();
  expect(new URL(page.url()).search).toBe('?q=person');
  expect(
    await page.evaluate('document.cookie + JSON.stringify(localStorage) + JSON.stringify(sessionStorage)'),
  ).not.toMatch(/sallyport\.console|eyJ|sp_rt_/);
  expect(complaints).toEqual([]);
  await context.close();
});

test.each(PAGES)('$path is readable in English and German, in light and dark, wide and narrow', async (shown) => {
  const { page, complaints } = administrator;
  for (const language of ['en', 'de'] as const) {
    await page.goto('/console');
    await page.evaluate(`localStorage.setItem('console.language', '${language}')`);
    await open(page, shown.path, shown[language]);
    expect(await page.locator('html').getAttribute('lang')).toBe(language);
    await expectReadable(page);
  }
  await page.evaluate(`localStorage.removeItem('console.language')`);
  expect(complaints).toEqual([]);
});

test('names and user agents of a hostile user are shown as they are, and nothing of them runs', async () => {
  const { page, complaints } = administrator;
  await page.setViewportSize({ width: 1_280, height: 800 });
  await open(page, '/console/people/{person}', '{email}');
  const text = await textOf(page.locator('main'));
  expect(text.split(HOSTILE.slice(0, 28)).length).toBeGreaterThan(2);
  expect(await page.locator('main img, main script').count()).toBe(0);
  expect(complaints).toEqual([]);
});

test('a user without the permission of a page gets a refusal and no data, and the navigation leaves the page out', async () => {
  const { page, complaints, context } = await atConsole('auditor');
  const asked: string[] = [];
  page.on('request', (request) => asked.push(new URL(request.url()).pathname));
  const links = await page.getByRole('navigation').getByRole('link').allInnerTexts();
  for (const { path, en, permission } of PAGES) {
    if (permission === undefined) continue;
    expect(links).not.toContain(en);
    await page.goto(filled(path));
    await page.getByText(`It needs the permission ${permission}.`).waitFor();
    expect(await page.content()).not.toContain(person.email);
  }
  expect(asked.filter((path) => path.startsWith('/console/api/v1/admin'))).toEqual([]);
  expect(complaints).toEqual([]);
  await context.close();
});

test('by keyboard alone: the palette finds a page, j walks its list, Enter opens a person, ? explains', async () => {
  const { page, complaints } = administrator;
  await page.setViewportSize({ width: 1_280, height: 800 });
  await open(page, '/console', 'Overview');
  await page.keyboard.press('Control+k');
  await page.keyboard.type('peop');
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'People' }).waitFor();
  await page.locator('[data-row]').first().waitFor();
  await page.keyboard.press('j');
  await page.keyboard.press('j');
  await page.keyboard.press('k');
  const [first = ''] = await page.locator('[data-row]').allInnerTexts();
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { level: 1, name: first }).waitFor();
  await page.keyboard.press('?');
  await page.getByRole('dialog', { name: 'Keyboard' }).waitFor();
  await page.keyboard.press('Escape');
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  expect(complaints).toEqual([]);
});

test('an act says what it affects, asks for a reason, shows its command line, and is done', async () => {
  const { page, complaints } = administrator;
  const target = await newSignedIn(harness.api);
  await page.goto(`/console/people/${target.id}`);
  await page.getByRole('button', { name: 'Disable' }).click();
  const dialog = page.getByRole('dialog', { name: `Disable ${target.email}` });
  await dialog.getByText('Sessions: 1 · sign-ins at applications: 1').waitFor();
  await dialog.getByLabel('Reason').fill(`left 'us'`);
  await dialog.getByText('The same on the command line').click();
  await dialog.getByText(`sallyport users disable ${target.id} --reason 'left '\\''us'\\'''`).waitFor();
  await expectReadable(page);
  await dialog.getByRole('button', { name: 'Disable', exact: true }).click();
  await dialog.waitFor({ state: 'detached' });
  await page.getByRole('button', { name: 'Enable' }).waitFor();
  const [event] = await harness.harness.rows(
    `SELECT detail->>'reason' AS reason FROM audit_outbox WHERE type = 'user.disabled' AND target_id = $1`,
    [target.id],
  );
  expect(event).toEqual({ reason: `left 'us'` });
  expect(complaints).toEqual([]);
});

test('a session that ends while an act is prepared loses nothing: another window signs in, and the act goes on', async () => {
  const { page, complaints, context } = await atConsole('admin');
  const target = await newSignedIn(harness.api);
  await page.goto(`/console/people/${target.id}`);
  await page.getByRole('button', { name: 'Disable' }).click();
  const dialog = page.getByRole('dialog', { name: `Disable ${target.email}` });
  await dialog.getByLabel('Reason').fill('typed before the end');
  const [session] = (await context.cookies()).filter(({ name }) => name.endsWith('sallyport.console'));
  await context.clearCookies({ name: session?.name ?? '' });
  await dialog.getByRole('button', { name: 'Disable', exact: true }).click();
  const ended = page.getByRole('dialog', { name: 'Your session has ended' });
  const [popup] = await Promise.all([
    context.waitForEvent('page'),
    ended.getByRole('button', { name: 'Sign in again' }).click(),
  ]);
  await popup.waitForEvent('close');
  await ended.waitFor({ state: 'detached' });
  expect(await dialog.getByLabel('Reason').inputValue()).toBe('typed before the end');
  await dialog.getByRole('button', { name: 'Disable', exact: true }).click();
  await page.getByRole('button', { name: 'Enable' }).waitFor();
  expect(complaints).toEqual([]);
  await context.close();
});
