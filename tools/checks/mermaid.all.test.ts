import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { launchChromium } from '#tools/testing/harness/browser.ts';
import { sourceFiles } from './test-titles.ts';

/** Mermaid as one script, which only this check runs: it is no package of the project. */
const MERMAID = '@mermaid-js/tiny@12.0.0';
const SHA512 = 'ZW9YXy+3tSLPscBT+NnQO0K0qYH7BGES5nExl6Snoygey7xd2N0cO7Nq30N5k/u7gIeYoCrldyVy+VTCMWrNDQ==';
const SLOW_MS = 120_000;
const root = resolve(import.meta.dirname, '../..');

let browser: Browser;
let page: Page;
beforeAll(async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-mermaid-'));
  try {
    const pack = ['pack', MERMAID, '--silent', '--pack-destination', folder];
    const archive = join(folder, execFileSync('npm', pack, { encoding: 'utf8' }).trim());
    expect(createHash('sha512').update(readFileSync(archive)).digest('base64')).toBe(SHA512);
    execFileSync('tar', ['-xzf', archive, '-C', folder]);
    browser = await launchChromium();
    page = await browser.newPage();
    await page.addScriptTag({ path: join(folder, 'package/dist/mermaid.tiny.js') });
    await page.evaluate('mermaid.initialize({ startOnLoad: false, securityLevel: "strict" })');
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}, SLOW_MS);
afterAll(() => browser?.close());

/** The drawing as SVG, as GitHub draws it; Mermaid's error otherwise. */
const drawn = (text: string): Promise<unknown> =>
  page.evaluate(`mermaid.render('drawing', ${JSON.stringify(text)}).then(({ svg }) => svg, String)`);

const drawings = sourceFiles(root, '**/*.md').flatMap((file) =>
  [...readFileSync(join(root, file), 'utf8').matchAll(/^```mermaid\n([\s\S]*?)^```$/gm)].map(
    ([, text]) => [file, text as string] as const,
  ),
);

test('Mermaid draws every drawing of the documentation, and reports one that it cannot read', {
  timeout: SLOW_MS,
}, async () => {
  expect(drawings.map(([file]) => file)).toEqual(expect.arrayContaining(['docs/explanation/system-design.md']));
  for (const [file, text] of drawings)
    expect([file, await drawn(text)]).toEqual([file, expect.stringMatching(/^<svg/)]);
  expect(await drawn('sequenceDiagram\n  A->>\n')).toContain('Parse error');
});
