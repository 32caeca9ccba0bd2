import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { CHROMIUM } from '#testing/harness/browser.ts';
import { REDIS } from './redis-binary.ts';
import { ensureProgram, findProgram, installerOf } from './system-program.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sallyport-path-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function program(place: string, name: string, mode = 0o755, script = ''): string {
  const path = join(folder, place, name);
  mkdirSync(join(folder, place), { recursive: true });
  writeFileSync(path, `#!/bin/sh\n${script}`);
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
  const command = program('bin', manager);
  expect(installerOf(REDIS, join(folder, 'bin'))).toEqual({ manager, command, typed });
  const [, before = ''] = /^(.+ )\S+$/.exec(typed) ?? [];
  expect(installerOf(CHROMIUM, join(folder, 'bin'))?.typed).toBe(before + browser);
});

test('without a known package manager no command is invented', () => {
  expect(installerOf(REDIS, folder)).toBeUndefined();
});

describe('a server that is not there', () => {
  const said: string[] = [];
  beforeEach(() => {
    said.length = 0;
  });
  const bin = (): string => join(folder, 'bin');
  const ensure = (isRoot: boolean): Promise<string> =>
    ensureProgram(REDIS, (text) => void said.push(existsSync(join(folder, 'asked')) ? `too late: ${text}` : text), {
      path: bin(),
      isRoot,
    });
  /** Notes what it is asked, and brings `server` where it is asked for the package. */
  const fakeManager = (manager: string, brought?: { readonly package: string; readonly server: string }): string =>
    program(
      'bin',
      manager,
      0o755,
      `echo "$@" >>'${join(folder, 'asked')}'
${brought ? `for word; do :; done; if [ "$word" = ${brought.package} ]; then printf '#!/bin/sh\\n' >'${join(bin(), brought.server)}'; chmod 755 '${join(bin(), brought.server)}'; exit 0; fi` : ''}
case "$1" in update) exit 0;; esac
exit 100
`,
    );
  const asked = (): string[] => readFileSync(join(folder, 'asked'), 'utf8').trim().split('\n');

  test('is installed by the package manager where we are root, after its index was read; what and why is said before', async () => {
    fakeManager('apt-get', { package: 'redis-server', server: 'redis-server' });
    expect(await ensure(true)).toBe(join(bin(), 'redis-server'));
    expect(asked()).toEqual(['update -q', 'install -y -q --no-install-recommends redis-server']);
    expect(said).toEqual([
      'installing redis-server on this machine, as root: jobs and rate limits need a Redis, and PATH has none',
      'running "apt-get install -y -q --no-install-recommends redis-server"; to prevent this, stop here, set REDIS_URL, and start again …',
    ]);
  });

  test('may be valkey-server: from the next package where the first is unknown', async () => {
    fakeManager('apk', { package: 'valkey', server: 'valkey-server' });
    expect(await ensure(true)).toBe(join(bin(), 'valkey-server'));
    expect(asked()).toEqual(['add --no-cache redis', 'add --no-cache valkey']);
  });

  test('once installed is found, and nothing is asked', async () => {
    fakeManager('apt-get');
    const valkey = program('bin', 'valkey-server');
    expect(await ensure(true)).toBe(valkey);
    expect([existsSync(join(folder, 'asked')), said]).toEqual([false, []]);
  });

  test.each([
    [
      'is not installed by others than root',
      'apt-get',
      false,
      'sudo apt-get install -y -q --no-install-recommends redis-server',
      false,
    ],
    ['is not installed by brew, which refuses root', 'brew', true, 'brew install valkey', false],
    [
      'that the manager cannot bring',
      'apt-get',
      true,
      'sudo apt-get install -y -q --no-install-recommends redis-server',
      true,
    ],
  ])('%s: no_redis with the exact command, and the other way out', async (_title, manager, isRoot, typed, isAsked) => {
    fakeManager(manager);
    await expect(ensure(isRoot)).rejects.toMatchObject({
      code: 'no_redis',
      message: 'no redis-server or valkey-server on PATH',
      fix: `run "${typed}", or set REDIS_URL`,
    });
    expect(existsSync(join(folder, 'asked'))).toBe(isAsked);
  });

  test('where no package manager is known: no_redis, and no command is invented', async () => {
    await expect(ensure(true)).rejects.toMatchObject({
      code: 'no_redis',
      fix: 'run "the command that installs redis-server on this system", or set REDIS_URL',
    });
  });
});
