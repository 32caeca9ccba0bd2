import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { lagOf, OF_AUTHENTICATION } from './newest-releases.ts';

const time = {
  created: '2026-01-01T00:00:00Z',
  '1.6.9': '2026-11-20T00:00:00Z',
  '1.7.0': '2026-10-01T00:00:00Z',
  '1.7.1': '2026-11-01T00:00:00Z',
  '1.7.2': '2026-11-10T00:00:00Z',
  '1.8.0-beta.1': '2026-10-02T00:00:00Z',
  '2.0.0': '2026-10-02T00:00:00Z',
};
const view = JSON.stringify({ time, 'dist-tags.latest': '1.7.2' });
const lagAt = (ours: string, day: string) => lagOf('left', ours, view, new Date(`2026-11-${day}T12:00:00Z`));

test('a dependency is behind from its first newer release on, and a finding after 14 days', () => {
  expect(lagAt('1.7.0', '15')).toEqual([]);
  expect(lagAt('1.7.0', '16')).toEqual([
    {
      id: 'newest:left',
      name: 'left',
      severity: 'high',
      title: '1.7.0 is 15 days behind 1.7.2: raise it, or accept it with the decision that says why',
    },
  ]);
});

test('older lines, releases before others and those beyond the latest one are not waited for', () =>
  expect(lagAt('1.7.2', '30')).toEqual([]));

test('an answer without releases says nothing', () => {
  expect(lagOf('left', '1.7.0', '', new Date())).toBeUndefined();
  expect(lagOf('left', '1.7.0', '{"error":{"code":"E404"}}', new Date())).toBeUndefined();
});

test('what signs users in and signs tokens is looked up', () => {
  const { dependencies } = JSON.parse(
    readFileSync(join(resolve(import.meta.dirname, '../..'), 'package.json'), 'utf8'),
  ) as { dependencies: Record<string, string> };
  expect(Object.keys(dependencies).filter((name) => OF_AUTHENTICATION.test(name))).toEqual(
    expect.arrayContaining(['better-auth', '@simplewebauthn/server', 'jose', '@node-rs/argon2', '@node-rs/bcrypt']),
  );
});
