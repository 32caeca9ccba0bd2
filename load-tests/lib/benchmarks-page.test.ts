import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import { testFolder } from '#tools/testing/test-folder.ts';
import { benchmarksPage, newestFigure } from './benchmarks-page.ts';

let folder: string;
beforeEach(() => {
  folder = testFolder(onTestFinished);
});

function keep(date: string, bench: string, figures: Readonly<Record<string, number>>): void {
  const result = {
    bench,
    limit: `what limits ${bench}`,
    date: `${date}T00:00:00Z`,
    commit: `c${date}`,
    command: 'npm run bench',
    machine: { cpu: 'CPU', cores: 2, memoryGb: 8, kernel: '6' },
    versions: { node: '24' },
    loadAverage: { before: 1, after: 2 },
    figures: Object.entries(figures).map(([name, value]) => ({
      ...{ name, value, unit: 'ratio', target: { atLeast: 0.5 }, detail: 'a | b' },
    })),
  };
  writeFileSync(join(folder, `${bench}.json`), JSON.stringify(result));
}

test('the page has the newest result of each bench; a figure names its run, its age and its bottleneck', () => {
  keep('2026-01-01', 'login', { renamed: 0.7 });
  keep('2026-01-01', 'caches', { two: 0.4 });
  keep('2026-01-02', 'login', { one: 0.6 });
  const page = benchmarksPage(folder, (commit) => `old as ${commit}`);
  expect(page).toContain(
    'Limited by what limits login. Run 1, old as c2026-01-02; again: `npm run bench -- --only login`.',
  );
  expect(page).toContain('| one | ≥ 0.5 | 0.600 | yes | ratio | a \\| b |');
  expect(page).toContain('| two | ≥ 0.5 | 0.400 | NO |');
  expect(page).not.toContain('renamed');
  expect(page).toMatch(/^1\. 2026-01-02.*commit `c2026-01-02`, old as c2026-01-02: .*\n2\. 2026-01-01/m);
});

test('a figure is found by its bench and name, with its commit; one that nobody kept is an error', () => {
  keep('2026-01-02', 'login', { one: 0.6 });
  expect(newestFigure(folder, 'login', 'one')).toMatchObject({ value: 0.6, commit: 'c2026-01-02' });
  expect(() => newestFigure(folder, 'caches', 'one')).toThrow('npm run bench');
});
