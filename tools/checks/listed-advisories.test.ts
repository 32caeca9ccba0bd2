import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';
import type { AdvisoryList } from '#services/platform/advisories/advisories.ts';
import { lookAtList } from './listed-advisories.ts';

const root = resolve(import.meta.dirname, '../..');
const NOW = new Date('2026-11-26T12:00:00Z');
const installed = { node: '24.22.1' };
const listOf = (asOf: string, exposure: 'none' | 'exposed' = 'none'): AdvisoryList => ({
  asOf,
  advisories: [
    {
      ...{ id: 'CVE-2026-1', product: 'node', affected: [{ before: '24.22.2' }], severity: 'high' },
      ...{ title: 'reads too far', exposure, why: 'requests reach it' },
    },
  ],
});

test('a list that is three months old is a warning to the check, and fails the release', () => {
  const old = listOf('2026-08-26');
  const check = lookAtList(old, installed, NOW, false);
  expect(check.lines.at(-1)).toBe('OLD: the list is of 2026-08-26, 92 days old (30 at most at a release)');
  expect(check.fails).toBe(false);
  expect(lookAtList(old, installed, NOW, true).fails).toBe(true);
});

test('a list of thirty days passes a release, and one of a day later does not', () => {
  expect(lookAtList(listOf('2026-10-27'), installed, NOW, true).fails).toBe(false);
  expect(lookAtList(listOf('2026-10-26'), installed, NOW, true).fails).toBe(true);
});

test('an exposure fails the check, whatever the age of the list', () => {
  const fresh = lookAtList(listOf('2026-11-26', 'exposed'), installed, NOW, false);
  expect(fresh.lines[0]).toMatch(/^EXPOSED: node 24\.22\.1: CVE-2026-1/);
  expect(fresh.fails).toBe(true);
});

test('npm run check looks at the list, and the release gate asks for a fresh one', () => {
  const text = (path: string): string => readFileSync(join(root, path), 'utf8');
  expect((JSON.parse(text('package.json')) as { scripts: { check: string } }).scripts.check).toMatch(/ advisories$/);
  expect(text('tools/release/gate.ts')).toContain("'tools/checks/listed-advisories.ts', '--fresh'");
});
