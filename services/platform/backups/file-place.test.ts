import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { lstat, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import { testFolder } from '#tools/testing/test-folder.ts';
import { writeBytesAtOnce, writeFileAtOnce } from './file-place.ts';

let folder: string;
beforeEach(() => {
  folder = testFolder(onTestFinished);
});

async function* parts(...texts: string[]): AsyncGenerator<Buffer> {
  for (const text of texts) yield Buffer.from(text);
}

test('a source that fails leaves the earlier file, and nothing beside it', async () => {
  const path = join(folder, 'backup');
  await writeFile(path, 'earlier');
  async function* failing() {
    yield Buffer.from('half');
    throw new Error('gone');
  }
  await expect(writeFileAtOnce(path, failing())).rejects.toThrow('gone');
  expect(await readFile(path, 'utf8')).toBe('earlier');
  expect(await readdir(folder)).toEqual(['backup']);
});

test('a file appears complete, readable by its owner alone', async () => {
  const path = join(folder, 'one');
  expect(await writeFileAtOnce(path, parts('abc', 'de'))).toEqual({
    bytes: 5,
    sha256: createHash('sha256').update('abcde').digest('hex'),
  });
  expect(await readFile(path, 'utf8')).toBe('abcde');
  expect((await stat(path)).mode & 0o777).toBe(0o600);
});

test('a disk that becomes full leaves nothing under the name', async () => {
  const path = join(folder, 'full');
  // A limit of the size of files fails a write as a full disk does; it is that of a process of its own.
  const script = `import { writeBytesAtOnce, writeFileAtOnce } from '${import.meta.dirname}/file-place.ts';
    process.on('SIGXFSZ', () => {});
    async function* source() { for (let at = 0; at < 100; at += 1) yield Buffer.alloc(65536); }
    await writeFileAtOnce(${JSON.stringify(path)}, source()).catch((err) => { process.stdout.write(err.code); });`;
  const { stdout } = spawnSync(
    'sh',
    ['-c', 'ulimit -f 1000; exec "$0" --input-type=module-typescript -e "$1"', process.execPath, script],
    { encoding: 'utf8', cwd: import.meta.dirname },
  );
  expect(stdout).toBe('EFBIG');
  expect(await readdir(folder)).toEqual([]);
});

test('who may write in the folder directs what is written to no other file, by any name that can be foreseen', async () => {
  const path = join(folder, 'backup');
  const victim = join(folder, 'victim');
  await writeFile(victim, 'of the operator');
  for (let pid = process.pid; pid < process.pid + 20; pid += 1) await symlink(victim, `${path}.partial-${pid}`);
  await writeFileAtOnce(path, parts('new'));
  expect(await readFile(victim, 'utf8')).toBe('of the operator');
  expect((await lstat(path)).isFile()).toBe(true);
  expect(await readFile(path, 'utf8')).toBe('new');
  await symlink(victim, join(folder, 'link'));
  await expect(writeBytesAtOnce(join(folder, 'link'), 'other')).rejects.toMatchObject({ code: 'EISDIR' });
  expect(await readFile(victim, 'utf8')).toBe('of the operator');
});

test('what a killed process left is removed, and what a live one writes is not', async () => {
  const path = join(folder, 'backup');
  const { pid } = spawnSync(process.execPath, ['-e', '']);
  for (const each of [pid, process.ppid]) await writeFile(`${path}.partial-${each}`, 'half');
  await writeFileAtOnce(path, parts('new'));
  expect((await readdir(folder)).sort()).toEqual(['backup', `backup.partial-${process.ppid}`]);
});
