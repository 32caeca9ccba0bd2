import { execFile } from 'node:child_process';
import { chmodSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import { testFolder } from '#tools/testing/test-folder.ts';
import { createSecretFile, ensureAuthSecret, ensureDataDir, repositoryRoot, resolveDataDir } from './data-dir.ts';

const run = promisify(execFile);
let folder: string;
beforeEach(() => {
  folder = testFolder(onTestFinished);
});

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
  expect(statSync(path).mode & 0o066).toBe(0);
  expect(statSync(join(path, 'run')).mode & 0o777).toBe(0o700);
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
