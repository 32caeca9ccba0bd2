import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { namesId, testTitles } from './test-titles.ts';

const root = resolve(import.meta.dirname, '../..');
const page = readFileSync(join(root, 'docs/explanation/security-tests.md'), 'utf8');
const ids = [...page.matchAll(/^\| ([A-Z]+[A-Z0-9-]*\d) +\|/gm)].map(([, id]) => id as string);
const titles = testTitles(root);

test('the page of security tests names each guarantee once, and the OWASP API Top 10 as a whole', () => {
  expect(ids.length).toBeGreaterThan(40);
  expect(new Set(ids).size).toBe(ids.length);
  const covered = new Set([...page.matchAll(/API(10|[1-9])\b/g)].map(([, number]) => Number(number)));
  expect([...covered].sort((a, b) => a - b)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
});

test.each(ids)('%s stands in the title of a test', (id) => {
  expect(titles.filter(({ title }) => namesId(title, id)).map(({ file }) => file)).not.toEqual([]);
});

test('an id is found as a word of its own', () => {
  expect(namesId('U1: too short', 'U1')).toBe(true);
  expect(namesId('passwords (C-CRD-02, U1)', 'U1')).toBe(true);
  expect(namesId('D-MWA-16 every route', 'D-MWA-16')).toBe(true);
  for (const title of ['U10: x', 'A-U1', 'xU1', 'D-MWA-160'])
    expect(['U1', 'D-MWA-16'].some((id) => namesId(title, id))).toBe(false);
});
