import { utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { testFolder } from '#tools/testing/test-folder.ts';
import { installationOf, storeLinkOf } from './installation.ts';

test.each([
  ['postgresql://u:p@db.example.test/d', false, false],
  ['postgresql://u:p@db.example.test/d?sslmode=verify-full', false, true],
  ['postgresql://u:p@db.example.test/d?sslmode=prefer', false, false],
  ['postgres:///d?host=/run/postgresql', true, false],
  ['postgresql://u@127.0.0.1:5432/d', true, false],
  ['redis://localhost:6379', true, false],
  ['rediss://u:p@cache.example.test', false, true],
  ['redis://cache.example.test', false, false],
  ['/run/redis.sock', true, false],
])('%s: on this machine %s, asks for TLS %s', (url, isLocal, asksForTls) => {
  expect(storeLinkOf(url)).toEqual({ isLocal, asksForTls });
});

test('the newest backup is the newest file of the folder, null without one, and an error without the folder', async () => {
  const folder = testFolder(onTestFinished);
  const of = (backupFolder: string | undefined) =>
    installationOf({
      databaseUrl: 'postgres://h/d',
      redisUrl: 'redis://h',
      backupFolder,
      ownAddresses: [],
      purges: [],
    }).newestBackup();
  expect(await of(undefined)).toBeUndefined();
  expect(await of(folder)).toBeNull();
  for (const [name, seconds] of [
    ['old.dump', 1_000],
    ['new.dump', 3_000],
    ['middle.dump', 2_000],
  ] as const) {
    await writeFile(join(folder, name), name);
    await utimes(join(folder, name), seconds, seconds);
  }
  expect(await of(folder)).toEqual({ name: 'new.dump', writtenAtMs: 3_000_000, bytes: 8 });
  await expect(of(join(folder, 'absent'))).rejects.toMatchObject({ code: 'ENOENT' });
});
