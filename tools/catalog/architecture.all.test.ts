import { globSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { launchChromium } from '#tools/testing/harness/browser.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const files = globSync('docs/explanation/architecture-*.svg', { cwd: ROOT });
let browser: Browser;
beforeAll(async () => {
  browser = await launchChromium();
});
afterAll(() => browser?.close());

/** Boxes whose text is drawn beyond them, boxes that overlap, and the colours of text and box. */
const LOOK = `(() => {
  const rectOf = (each) => { const { x, y, width, height } = each.getBBox(); return { x, y, right: x + width, bottom: y + height }; };
  const rects = [...document.querySelectorAll('rect:not(.page)')];
  const { width, height } = document.documentElement.viewBox.baseVal;
  const beyond = [...document.querySelectorAll('text')].filter((text) => {
    const own = rectOf(text);
    const inside = rects.map(rectOf).some((box) => own.x >= box.x && own.right <= box.right && own.y >= box.y && own.bottom <= box.bottom);
    const isTitle = text.getAttribute('text-anchor') === null && own.right <= width && own.bottom <= height;
    return !inside && !isTitle;
  }).map((text) => text.textContent);
  const boxes = rects.map(rectOf);
  const overlaps = boxes.flatMap((a, at) => boxes.slice(at + 1).filter((b) => a.x < b.right && b.x < a.right && a.y < b.bottom && b.y < a.bottom)).length;
  return { boxes: boxes.length, beyond, overlaps, text: getComputedStyle(document.querySelector('text')).fill };
})()`;

test.each(files)('%s is drawn with every text inside its box, in light and dark', async (file) => {
  expect(files).toHaveLength(3);
  const colours = new Set<string>();
  for (const colorScheme of ['light', 'dark'] as const) {
    const page = await browser.newPage({ colorScheme });
    await page.goto(`data:image/svg+xml;base64,${readFileSync(resolve(ROOT, file)).toString('base64')}`);
    const look = (await page.evaluate(LOOK)) as { boxes: number; beyond: string[]; overlaps: number; text: string };
    expect(look.boxes).toBeGreaterThan(10);
    expect(look.beyond).toEqual([]);
    expect(look.overlaps).toBe(0);
    colours.add(look.text);
    if (process.env.PAGE_SCREENSHOTS)
      await page.screenshot({ path: `${process.env.PAGE_SCREENSHOTS}/${colorScheme}-${file.split('/').at(-1)}.png` });
    await page.close();
  }
  expect(colours.size).toBe(2);
});
