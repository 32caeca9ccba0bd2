// The pictures of the README. `npm run screenshots` keeps them; this also holds that they can be made and stay small.
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { PICTURE_BYTES_MAX, PICTURES, PICTURES_FOLDER } from '#tools/checks/pictures.ts';
import { newSignedIn } from '#tools/testing/flows/signed-in.ts';
import { type ConsoleHarness, openConsoleHarness, openPage } from './console-browser-harness.ts';
import { writeFigures } from './console-harness.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const isKept = process.env.PAGE_SCREENSHOTS !== undefined;

let harness: ConsoleHarness;
beforeAll(async () => {
  harness = await openConsoleHarness();
  await writeFigures(harness.harness.rows);
});
afterAll(() => harness?.close());

/** What the window shows, as WebP, which is smaller than PNG by more than half. */
async function photograph(page: Page, name: string): Promise<void> {
  const devtools = await page.context().newCDPSession(page);
  await page.setViewportSize({ width: 1_280, height: 800 });
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
    const { data } = await devtools.send('Page.captureScreenshot', { format: 'webp', quality: 80 });
    const picture = Buffer.from(data, 'base64');
    expect(picture.length, name).toBeLessThanOrEqual(PICTURE_BYTES_MAX);
    if (isKept) writeFileSync(join(ROOT, PICTURES_FOLDER, `${name}-${colorScheme}.webp`), picture);
  }
}

test('the pictures of the README show the console and the account page, in light and dark', async () => {
  if (isKept) mkdirSync(join(ROOT, PICTURES_FOLDER), { recursive: true });
  const { page, serious } = await harness.atConsole('admin');
  await openPage(page, '/console', 'Overview');
  await photograph(page, PICTURES[0]);
  const user = await newSignedIn(harness.api);
  await harness.harness.rows`UPDATE users SET name = 'Ada Lovelace' WHERE id = ${user.id}`;
  const visit = await harness.visitConsole({}, user);
  await visit.page.goto('/account/security');
  await photograph(visit.page, PICTURES[1]);
  expect([...serious(), ...visit.serious()]).toEqual([]);
  if (!isKept) return;
  const commit = execFileSync('git', ['rev-parse', '--short=10', 'HEAD'], { cwd: ROOT, encoding: 'utf8' }).trim();
  writeFileSync(join(ROOT, PICTURES_FOLDER, 'taken.json'), `{ "commit": ${JSON.stringify(commit)} }\n`);
});
