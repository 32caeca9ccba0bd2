import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { CHROMIUM } from '../testing/chromium.ts';
import { REDIS } from './redis-binary.ts';
import { findProgram, installerOf } from './system-program.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sallyport-path-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function program(place: string, name: string, mode = 0o755): string {
  const path = join(folder, place, name);
  mkdirSync(join(folder, place), { recursive: true });
  writeFileSync(path, '#!/bin/sh\n');
  chmodSync(path, mode);
  return path;
}

test('redis-server and valkey-server are found on PATH, in its order; a file that is not executable is no server', () => {
  program('a', 'redis-server', 0o644);
  const valkey = program('b', 'valkey-server');
  program('c', 'redis-server');
  expect(findProgram(REDIS, ['a', 'b', 'c'].map((place) => join(folder, place)).join(':'))).toBe(valkey);
  expect(findProgram(REDIS, join(folder, 'a'))).toBeUndefined();
});

test.each([
  ['apt-get', 'sudo apt-get install -y -q --no-install-recommends redis-server', 'chromium'],
  ['dnf', 'sudo dnf install -y redis', 'chromium'],
  ['apk', 'sudo apk add --no-cache redis', 'chromium'],
  ['brew', 'brew install valkey', '--cask google-chrome'],
])('where there is %s, the reader is told the exact command', (manager, typed, browser) => {
  program('bin', manager);
  expect(installerOf(REDIS, join(folder, 'bin'))).toEqual({ manager, typed });
  const [, before = ''] = /^(.+ )\S+$/.exec(typed) ?? [];
  expect(installerOf(CHROMIUM, join(folder, 'bin'))?.typed).toBe(before + browser);
});

test('without a known package manager no command is invented', () => {
  expect(installerOf(REDIS, folder)).toBeUndefined();
});
