import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { expectReadable } from '#tools/testing/harness/browser.ts';
import {
  type ConsoleHarness,
  type ConsoleVisit,
  expectNothingBlank,
  expectNothingTwice,
  openConsoleHarness,
  openPage,
} from './console-browser-harness.ts';
import { NEW_PAGES } from './console-pages-harness.ts';
import { textOf } from './pages-harness.ts';

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

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
