import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { benchmarksPage, removeSuperseded } from './benchmarks-page.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sallyport-benchmarks-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function raw(date: string, bench: string, figures: Readonly<Record<string, number>>): void {
  const report = {
    date: `${date}T00:00:00Z`,
    commit: `c${date}`,
    command: 'npm run bench',
    machine: { cpu: 'CPU', cores: 2, memoryGb: 8, kernel: '6' },
    versions: { node: '24' },
    loadAverage: { before: 1, after: 2 },
    figures: Object.entries(figures).map(([name, value]) => ({
      bench,
      name,
      value,
      unit: 'ratio',
      target: { atLeast: 0.5 },
      detail: 'a | b',
      measured: {},
    })),
    errors: [],
  };
  writeFileSync(join(folder, `${date}-${bench}.json`), JSON.stringify(report));
}

test('each bench is of the newest run that has it; a figure names its run, its age, its bottleneck and its trend', () => {
  raw('2026-01-01', 'login', { one: 0.4, renamed: 0.7 });
  raw('2026-01-01', 'latency', { two: 0.7 });
  raw('2026-01-02', 'login', { one: 0.6 });
  const page = benchmarksPage(folder, (commit) => `old as ${commit}`);
  expect(page).toContain(
    'Limited by password hashing: bcrypt, cost 12, on every core. Run 1, old as c2026-01-02; again: `npm run bench -- --only login`.',
  );
  expect(page).toContain('| one | ≥ 0.5 | 0.600 | yes | ratio | 0.400 → 0.600 | a \\| b |');
  expect(page).toContain('| two | ≥ 0.5 | 0.700 | yes |');
  expect(page).not.toContain('renamed');
  expect(page).toMatch(/^1\. 2026-01-02.*commit `c2026-01-02`, old as c2026-01-02: .*\n2\. 2026-01-01/m);
});

test('a raw file is removed once newer ones have all its benches, and its values stay in the trend', () => {
  raw('2026-01-01', 'login', { one: 0.4 });
  raw('2026-01-02', 'latency', { two: 0.7 });
  raw('2026-01-03', 'login', { one: 0.6 });
  expect(removeSuperseded(folder)).toEqual(['2026-01-01-login.json']);
  expect(readdirSync(folder).sort()).toEqual(['2026-01-02-latency.json', '2026-01-03-login.json', 'trend.json']);
  expect(JSON.parse(readFileSync(join(folder, 'trend.json'), 'utf8'))).toMatchObject([
    { figures: { login: { one: 0.4 } } },
  ]);
  expect(benchmarksPage(folder, () => '')).toContain('| 0.400 → 0.600 |');
  expect(removeSuperseded(folder)).toEqual([]);
});
