import { execFile } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { CHROMIUM } from '#tools/testing/harness/browser.ts';
import { testFolder } from '#tools/testing/test-folder.ts';
import { createSecretFile, ensureAuthSecret, ensureDataDir, repositoryRoot, resolveDataDir } from './data-dir.ts';
import { REDIS } from './redis-binary.ts';
import { ensureProgram, findProgram, installerOf } from './system-program.ts';

let folder: string;
beforeEach(() => {
  folder = testFolder(onTestFinished);
});

function program(place: string, name: string, mode = 0o755, script = ''): string {
  const path = join(folder, place, name);
  mkdirSync(join(folder, place), { recursive: true });
  writeFileSync(path, `#!/bin/sh\n${script}`);
  chmodSync(path, mode);
  return path;
}

test('finds redis-server or valkey-server in the order of PATH, and ignores files that are not executable', () => {
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
])('names the exact command of %s', (manager, typed, browser) => {
  const command = program('bin', manager);
  expect(installerOf(REDIS, join(folder, 'bin'))).toEqual({ manager, command, typed });
  const [, before = ''] = /^(.+ )\S+$/.exec(typed) ?? [];
  expect(installerOf(CHROMIUM, join(folder, 'bin'))?.typed).toBe(before + browser);
});

test('names no command without a known package manager', () => expect(installerOf(REDIS, folder)).toBeUndefined());

describe('a missing server', () => {
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
  /** A fake package manager: records its arguments, and installs `server` if asked for the package. */
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

  test('is installed by the package manager if we are root, after an index update and a message with the reason', async () => {
    fakeManager('apt-get', { package: 'redis-server', server: 'redis-server' });
    expect(await ensure(true)).toBe(join(bin(), 'redis-server'));
    expect(asked()).toEqual(['update -q', 'install -y -q --no-install-recommends redis-server']);
    expect(said).toEqual([
      'installing redis-server on this machine, as root: jobs and rate limits need a Redis, and none is on PATH',
      'running "apt-get install -y -q --no-install-recommends redis-server"; to prevent this, stop here, set REDIS_URL, and start again …',
    ]);
  });

  test('is installed from the next package if the first is unknown, as for valkey-server', async () => {
    fakeManager('apk', { package: 'valkey', server: 'valkey-server' });
    expect(await ensure(true)).toBe(join(bin(), 'valkey-server'));
    expect(asked()).toEqual(['add --no-cache redis', 'add --no-cache valkey']);
  });

  test('is found once installed, without a call of the package manager', async () => {
    fakeManager('apt-get');
    const valkey = program('bin', 'valkey-server');
    expect(await ensure(true)).toBe(valkey);
    expect([existsSync(join(folder, 'asked')), said]).toEqual([false, []]);
  });

  test.each([
    [
      'is not installed if we are not root',
      'apt-get',
      false,
      'sudo apt-get install -y -q --no-install-recommends redis-server',
      false,
    ],
    ['is not installed by brew, which refuses to run as root', 'brew', true, 'brew install valkey', false],
    [
      'is missing from the package manager',
      'apt-get',
      true,
      'sudo apt-get install -y -q --no-install-recommends redis-server',
      true,
    ],
  ])(
    '%s: no_redis with the exact command and the alternative setting',
    async (_title, manager, isRoot, typed, isAsked) => {
      fakeManager(manager);
      await expect(ensure(isRoot)).rejects.toMatchObject({
        code: 'no_redis',
        message: 'no redis-server or valkey-server on PATH',
        fix: `run "${typed}", or set REDIS_URL`,
      });
      expect(existsSync(join(folder, 'asked'))).toBe(isAsked);
    },
  );

  test('no known package manager: no_redis without a command', () =>
    expect(ensure(true)).rejects.toMatchObject({
      code: 'no_redis',
      fix: 'run "the command that installs redis-server on this system", or set REDIS_URL',
    }));
});

const run = promisify(execFile);
test('concurrent starts agree on one secret of 32 random bytes and mode 0600', async () => {
  const code = `import { ensureAuthSecret } from ${JSON.stringify(new URL('./data-dir.ts', import.meta.url).href)};
    process.stdout.write(ensureAuthSecret(${JSON.stringify(folder)}));`;
  const answers = await Promise.all(
    Array.from({ length: 6 }, () => run(process.execPath, ['--input-type=module', '-e', code])),
  );
  const secrets = new Set(answers.map(({ stdout }) => stdout));
  expect(secrets.size).toBe(1);
  const [secret] = secrets;
  expect(Buffer.from(secret!, 'base64url')).toHaveLength(32);
  expect(readdirSync(folder)).toEqual(['auth-secret']);
  expect(statSync(join(folder, 'auth-secret')).mode & 0o777).toBe(0o600);
});

test('an existing secret is kept, and another data directory gets another secret', () => {
  writeFileSync(join(folder, 'auth-secret'), 'kept-as-it-is\n');
  expect(ensureAuthSecret(folder)).toBe('kept-as-it-is');
  const other = join(folder, 'other');
  ensureDataDir(other);
  expect(ensureAuthSecret(other)).not.toBe(createSecretFile(join(folder, 'b'), ensureAuthSecret(folder)));
});

test('only the owner can list the data directory, whatever mode it had before', () => {
  const path = join(folder, 'data');
  ensureDataDir(path);
  chmodSync(path, 0o755);
  ensureDataDir(path);
  expect([statSync(path).mode & 0o066, statSync(join(path, 'run')).mode & 0o777]).toEqual([0, 0o700]);
});

test('a data directory that cannot be created is an error with a fix, not a stack trace', () => {
  writeFileSync(join(folder, 'file'), '');
  expect(() => ensureDataDir(join(folder, 'file', 'data'))).toThrow(
    expect.objectContaining({ code: 'data_dir_not_writable', fix: expect.stringContaining('SALLYPORT_DATA_DIR') }),
  );
});

test('the data directory is SALLYPORT_DATA_DIR, else .sallyport in the repository, whatever the working directory', () => {
  expect(resolveDataDir({ SALLYPORT_DATA_DIR: '/some/where' })).toBe('/some/where');
  expect(resolveDataDir({})).toBe(join(repositoryRoot, '.sallyport'));
  expect(JSON.parse(readFileSync(join(repositoryRoot, 'package.json'), 'utf8')).name).toBe('sallyport');
});
