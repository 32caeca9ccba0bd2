// About: console/src/
// What the console shows before it is read again, and when its figures are old or a refresh fails.
import { beforeAll, expect, test } from 'vitest';
import { defineStatement } from '#services/platform/define/statement.ts';
import { countEventHours } from '#services/wings/monitoring/count-event-hours.ts';
import { expectReadable } from '#tools/testing/harness/browser.ts';
import { asShipped } from '#tools/testing/harness/busy-machine.ts';
import { opened } from '#tools/testing/opened.ts';
import { openConsoleHarness, openPage } from './console-browser-harness.ts';

asShipped();

const harness = opened(openConsoleHarness);
beforeAll(async () => {
  const ports = { ...harness.api.ports, ...harness.harness.owner };
  await countEventHours(ports, { signal: new AbortController().signal });
});

test('figures that were not counted for a minute say of when they are', async () => {
  const { page, serious } = await harness.atConsole('admin');
  await openPage(page, '/console', 'Overview');
  const notes = page.getByText(/^These figures are of .+; newer ones are overdue\.$/);
  expect(await notes.count()).toBe(0);

  await harness.harness.rows`UPDATE monitoring_state
    SET counted_at = counted_at - interval '1 minute', tokens_at = tokens_at - interval '1 minute'`;
  await openPage(page, '/console', 'Overview');
  await notes.waitFor();
  await expectReadable(page, 'stale figures');
  expect(serious()).toEqual([]);
});

test('a page whose refresh fails keeps what it showed, says of when it is and why, and is fresh by itself once it can be', async () => {
  const { page } = await harness.atConsole('admin');
  await openPage(page, '/console', 'Overview');
  const note = page.getByRole('status').filter({ hasText: /^Shown as of .+ The last refresh failed: / });
  const signIns = page.getByRole('heading', { name: 'Sign-ins of the last 24 hours' });
  await signIns.waitFor();
  expect(await note.count()).toBe(0);

  await harness.harness.owner.transact(async (tx) => {
    await tx.query(defineStatement('')`LOCK TABLE monitoring_state IN ACCESS EXCLUSIVE MODE`);
    await note.waitFor();
    expect(await signIns.isVisible()).toBe(true);
    await expectReadable(page, 'refresh failed');
  });
  await note.waitFor({ state: 'detached' });
  expect(await signIns.isVisible()).toBe(true);
});

test('the next page of a list is read before it is asked for, and the list is kept for one who comes back', async () => {
  await harness.harness
    .rows`INSERT INTO users (id, email, name) SELECT 'kept-' || n, 'kept' || n || '@example.test', 'Kept ' || n
    FROM generate_series(1, 120) AS n`;
  const { page } = await harness.atConsole('admin');
  // What was read does not become old meanwhile, however slow the machine.
  await page.clock.setFixedTime(Date.now());
  await openPage(page, '/console/people', 'People');
  const rows = page.locator('main ul.rows > li');
  const more = page.getByRole('button', { name: 'Load more' });
  const ahead = page.waitForResponse(/cursor=/);
  await more.scrollIntoViewIfNeeded();
  await (await ahead).finished();
  await page.route(/\/v1\/admin\/users\?/, () => {});
  await more.click();
  await rows.nth(99).waitFor();
  await rows.nth(60).getByRole('link').first().click();
  await page.getByRole('heading', { level: 1, name: /^kept/i }).waitFor();
  await page.goBack();
  await rows.nth(99).waitFor();
});
