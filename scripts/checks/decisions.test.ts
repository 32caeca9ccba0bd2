import { globSync, readFileSync } from 'node:fs';
import { basename, resolve } from 'node:path';
import { expect, test } from 'vitest';

const ROOT = resolve(import.meta.dirname, '../..');
const decisions = globSync('docs/adr/*.md', { cwd: ROOT }).sort();

test('decisions are numbered without a gap, and each heading has the number of its file', () => {
  expect(decisions.length).toBeGreaterThan(20);
  for (const [index, file] of decisions.entries()) {
    const number = index + 1;
    expect(basename(file)).toMatch(new RegExp(`^${String(number).padStart(4, '0')}-[a-z-]+\\.md$`));
    expect(readFileSync(resolve(ROOT, file), 'utf8'), file).toMatch(new RegExp(`^# ${number}\\. \\S`));
  }
});
