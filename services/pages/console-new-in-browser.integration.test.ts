import { expect, test } from 'vitest';
import { readClient, updateClient } from '#services/core/access/manage-clients.ts';
import { expectReadable } from '#tools/testing/harness/browser.ts';
import { testCaller } from '#tools/testing/harness/ports.ts';
import { opened } from '#tools/testing/opened.ts';
import {
  type ConsoleVisit,
  expectNothingBlank,
  expectNothingTwice,
  openConsoleHarness,
  openPage,
} from './console-browser-harness.ts';
import { NEW_PAGES } from './console-pages-harness.ts';
import { newPagesClient, textOf } from './pages-harness.ts';

const harness = opened(openConsoleHarness);
const administrator = opened(() => harness.atConsole('admin'));

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
  expect(await harness.harness.rows`SELECT note FROM compliance_attestations`).toEqual([{ note: 'minutes of May' }]);
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
  const first = (changes: object) =>
    updateClient(harness.api.ports, { client_id: id, ...changes, reason: 'by the first' }, testCaller);
  await first({ name: 'Wards, first' });
  const change = dialog.getByRole('button', { name: 'Change', exact: true });
  await change.click();
  expect(await textOf(dialog.getByRole('alert'))).toContain('New values: Name: Wards, first');
  expect(await dialog.getByLabel('Name', { exact: true }).inputValue()).toBe('Wards, second');
  await page.locator('h1', { hasText: 'Wards, first' }).waitFor();
  // What touches nothing that is typed is no reason to ask.
  const clientUri = 'https://wards.example.test/';
  await first({ client_uri: clientUri });
  await change.click();
  await page.getByRole('heading', { level: 1, name: 'Wards, second' }).waitFor();
  const { name, client_uri: kept } = await readClient(harness.api.ports, { client_id: id });
  expect([name, kept]).toEqual(['Wards, second', clientUri]);
  expect(serious()).toEqual([]);
});

test('a file of users is checked before it is imported: what its report says is read first, and of that file alone', async () => {
  const { page, serious } = administrator;
  await openPage(page, '/console/imports', 'Imports');
  await page.getByRole('button', { name: 'Import a file' }).first().click();
  const dialog = page.getByRole('dialog', { name: 'Import a file' });
  const choose = (name: string, buffer: Buffer) =>
    dialog.getByLabel('File', { exact: true }).setInputFiles({ name, mimeType: 'text/plain', buffer });
  await dialog.getByLabel('Kind of file').fill('ndjson');
  await choose('long.csv', Buffer.alloc(12_000_001, 'x'));
  await dialog.getByText('long.csv: The file has more than 12,000,000 bytes').waitFor();
  await choose('old.csv', Buffer.from('Andr\xe9', 'latin1'));
  await dialog.getByText('old.csv: The file is no text').waitFor();
  const users = [
    {
      legacy_id: 'c1',
      email: 'c1@example.com',
      password_hash: `$2b$04$5FwdUnNkPe/WI8cG7CpY1OKKIxtWoKxgJLgZPLAajZ3tQI4HYlRcW`,
    },
    { legacy_id: 'c2', email: 'c2@example.com', factors_lost: ['phone'], name: 'x'.repeat(100_000) },
    { legacy_id: 'c3', email: 'nowhere' },
  ];
  await choose('users.ndjson', Buffer.from(users.map((user) => JSON.stringify(user)).join('\n')));
  const check = dialog.getByRole('button', { name: 'Check the file' });
  await check.click();
  const report = dialog.locator('.blast');
  await report.getByText('email_invalid').first().waitFor();
  expect(await page.evaluate('document.activeElement.className')).toBe('blast');
  const said =
    /New 2 .*Rejected 1 .*lost 1 .*Line 3 .*email_invalid .*nowhere .*"bcrypt": 1.*factor_lost .*c1@example\.com/;
  expect((await textOf(report)).replaceAll(/\s+/g, ' ')).toMatch(said);
  await expectReadable(page, 'report');
  // What was checked is what is imported.
  await dialog.getByLabel('Kind of file').fill('csv');
  expect([await dialog.getByLabel('Reason').count(), await report.count()]).toEqual([0, 0]);
  await dialog.getByLabel('Kind of file').fill('ndjson');
  await check.click();
  await dialog.getByLabel('Reason').fill('we move');
  expect(await harness.harness.rows`SELECT 1 FROM imports`).toEqual([]);
  await dialog.getByRole('button', { name: 'Import a file' }).click();
  await page.getByRole('heading', { level: 1, name: 'ndjson' }).waitFor();
  expect(await harness.harness.rows`SELECT kind, reason, state FROM imports`).toEqual([
    { kind: 'ndjson', reason: 'we move', state: 'waiting' },
  ]);
  expect(serious()).toEqual([]);
});
