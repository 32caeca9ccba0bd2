import { utimes, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { expect, onTestFinished, test } from 'vitest';
import { listening } from '#tools/testing/listening.ts';
import { opened } from '#tools/testing/opened.ts';
import { testFolder } from '#tools/testing/test-folder.ts';
import { createHandoffTransport } from './handoff.ts';
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

const received: { readonly path: string; readonly id: string | undefined; readonly body: string }[] = [];
const server = createServer(async (request, response) => {
  const id = request.headers['idempotency-key'] as string | undefined;
  received.push({ path: request.url as string, id, body: await text(request) });
  response.writeHead(202).end();
});
const receiver = opened(() => listening(server));

const post = (allowsPrivate: boolean, signal = new AbortController().signal) =>
  createHandoffTransport({ allowsPrivate }).post(
    { url: `${receiver.url}/events`, headers: { 'idempotency-key': '"e1"' }, body: '{}' },
    signal,
  );

test('posts body and headers, and returns the status', async () => {
  expect(await post(true)).toBe(202);
  expect(received.splice(0)).toEqual([{ path: '/events', id: '"e1"', body: '{}' }]);
});

test('SSRF: an address on a private network gets no request unless the setting allows it', async () => {
  await expect(post(false)).rejects.toThrow('outbound request refused');
  expect(received).toEqual([]);
});

test('sends nothing once the run is to stop', async () => {
  await expect(post(true, AbortSignal.abort())).rejects.toThrow();
  expect(received).toEqual([]);
});
