import { afterAll, beforeAll, expect, test } from 'vitest';
import { updateClient } from '#services/core/access/manage-clients.ts';
import { expectReadable } from '#tools/testing/harness/browser.ts';
import { testCaller } from '#tools/testing/harness/ports.ts';
import {
  type ConsoleHarness,
  type ConsoleVisit,
  expectNothingBlank,
  expectNothingTwice,
  openConsoleHarness,
  openPage,
} from './console-browser-harness.ts';
import { NEW_PAGES } from './console-pages-harness.ts';
import { newPagesClient, textOf } from './pages-harness.ts';

let harness: ConsoleHarness;
let administrator: ConsoleVisit;
beforeAll(async () => {
  harness = await openConsoleHarness();
  administrator = await harness.atConsole('admin');
});
afterAll(() => harness?.close());

test.each(NEW_PAGES)(
  '/console$path says what will be there and how it begins',
  async ({ path, title, none, first }) => {
    const { page, serious } = administrator;
    await page.setViewportSize({ width: 1_280, height: 800 });
    await openPage(page, `/console${path}`, title);
    if (none !== undefined) {
      const state = page.locator('.state').filter({ hasText: none });
      await state.waitFor();
      expect((await textOf(state)).replace(none, '').trim()).not.toBe('');
    }
    if (first !== undefined && 'command' in first)
      expect(await textOf(page.locator('main .command-line').last())).toContain(first.command);
    if (first !== undefined && 'button' in first)
      expect(await page.getByRole('button', { name: first.button, exact: true }).isVisible()).toBe(true);
    expect([path, await page.getByRole('alert').count()]).toEqual([path, 0]);
    await expectNothingBlank(page);
    await expectNothingTwice(page);
    await page.emulateMedia({ colorScheme: 'light' });
    await expectReadable(page, 'new');
    expect(serious()).toEqual([]);
  },
);

/** Opens a control that people confirm, and the dialog that confirms it. */
async function openConfirm({ page }: ConsoleVisit = administrator) {
  const title = 'A security official is named';
  await openPage(page, '/console/compliance/security-official', title);
  await page.getByRole('button', { name: 'Confirm', exact: true }).click();
  return page.getByRole('dialog', { name: `Confirm: ${title}` });
}

test('the focus is on the button again whose dialog was closed', async () => {
  const dialog = await openConfirm();
  await dialog.getByLabel('Reason').press('Escape');
  await dialog.waitFor({ state: 'detached' });
  expect(await administrator.page.evaluate('document.activeElement.textContent')).toBe('Confirm');
});

test('a form whose answer was lost after it was done is sent again by the same key, and one thing is made', async () => {
  const { page, serious } = administrator;
  await page.addInitScript(`{
    const ask = fetch;
    globalThis.sent = [];
    globalThis.fetch = async (address, options) => {
      const answer = await ask(address, options);
      if (!String(address).endsWith('/attest')) return answer;
      sent.push([new Headers(options.headers).get('idempotency-key'), answer.status]);
      return globalThis.isHeard ? answer : Response.json({ code: 'overloaded' }, { status: 503 });
    };
  }`);
  const dialog = await openConfirm();
  await dialog.getByLabel('Reason').fill('minutes of May');
  const confirm = dialog.getByRole('button', { name: 'Confirm', exact: true });
  await confirm.click();
  await dialog.getByRole('alert').waitFor();
  await page.evaluate('globalThis.isHeard = true');
  await confirm.click();
  await dialog.waitFor({ state: 'detached' });
  const sent = await page.evaluate<readonly [key: string, status: number][]>('sent');
  expect(sent.length).toBeGreaterThan(1);
  expect(sent).toEqual(sent.map(() => [sent[0]?.[0], 201]));
  expect(await harness.harness.rows('SELECT note FROM compliance_attestations')).toEqual([{ note: 'minutes of May' }]);
  expect(serious()).toEqual([]);
});

test('of two administrators who change one client, the second is told, keeps what is typed, and then may replace it', async () => {
  const { page, serious } = administrator;
  const { client_id: id } = await newPagesClient(harness.api, 'Wards', 'https://wards.example.test/back', ['openid']);
  await openPage(page, `/console/clients/${id}`, 'Wards');
  await page.getByRole('button', { name: 'Change', exact: true }).click();
  const dialog = page.getByRole('dialog', { name: 'Change: Wards' });
  await dialog.getByLabel('Name', { exact: true }).fill('Wards, second');
  await dialog.getByLabel('Reason').fill('by the second');
  await updateClient(harness.api.ports, { client_id: id, name: 'Wards, first', reason: 'by the first' }, testCaller);
  const change = dialog.getByRole('button', { name: 'Change', exact: true });
  await change.click();
  expect(await textOf(dialog.getByRole('alert'))).toContain('Name is now Wards, first');
  expect(await dialog.getByLabel('Name', { exact: true }).inputValue()).toBe('Wards, second');
  await change.click();
  await page.getByRole('heading', { level: 1, name: 'Wards, second' }).waitFor();
  expect(serious()).toEqual([]);
});
