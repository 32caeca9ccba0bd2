import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { CheckpointForkError, type OutgoingCheckpoint, SinkRefusedError } from '#services/core/ports.ts';
import { startS3Server } from '#tools/testing/fakes/s3-server.ts';
import { testFolder } from '#tools/testing/test-folder.ts';
import { createFileSink } from './file-sink.ts';
import { type PublishedNote, readFileNotes, readS3Notes } from './published-notes.ts';
import { createS3Sink } from './s3-sink.ts';

const checkpoint = (origin: string, size: number, rootByte = 1): OutgoingCheckpoint => {
  const root = Buffer.alloc(32, rootByte).toString('base64');
  return {
    origin,
    size,
    root,
    note: `${origin}\n${size}\n${root}\n\n\u2014 k c2ln\n`,
    consistencyProof: async () => [],
  };
};
const later = AbortSignal.timeout(60_000);
async function headsIn(notes: AsyncIterable<PublishedNote>): Promise<string[]> {
  const heads: string[] = [];
  for await (const { note, isFork } of notes) heads.push(`${note.split('\n', 2).join(' ')}${isFork ? ' fork' : ''}`);
  return heads.sort();
}

test('reads every head of every log from the file sink: the newest, the hourly ones and forks', async () => {
  const folder = testFolder(onTestFinished);
  let nowMs = 0;
  const sink = createFileSink(folder, () => nowMs);
  for (const size of [3, 4, 5]) {
    nowMs += 3_600_000;
    await sink.publish(checkpoint('a.example/log', size), later);
  }
  await sink.publish(checkpoint('a.example/log/continued-1', 1), later);
  await expect(sink.publish(checkpoint('a.example/log', 5, 2), later)).rejects.toBeInstanceOf(CheckpointForkError);
  await writeFile(join(folder, 'a note of an operator'), 'x');
  await writeFile(join(folder, 'a.example%2Flog', 'README'), 'x');
  expect(await headsIn(readFileNotes(folder))).toEqual([
    'a.example/log 3',
    'a.example/log 4',
    'a.example/log 5',
    'a.example/log 5',
    'a.example/log 5 fork',
    'a.example/log/continued-1 1',
    'a.example/log/continued-1 1',
  ]);
  expect(await headsIn(readFileNotes(join(folder, 'none')))).toEqual([]);
});

test('reads every head of every log from the s3 sink, page by page, and no other object of the bucket', async () => {
  const server = await startS3Server();
  onTestFinished(() => server.close());
  const sink = createS3Sink(server.settings);
  for (let size = 0; size < 120; size += 1) await sink.publish(checkpoint('a.example/log', size), later);
  await sink.publish(checkpoint('b.example/this & more', 7), later);
  server.objects.set(new URL(`${server.url}/audit-mark.json`).pathname, '{}');
  server.objects.set(new URL(`${server.url}-elsewhere/a/0000000000000001`).pathname, 'x');
  const heads = await headsIn(readS3Notes(server.settings));
  expect(heads).toHaveLength(121);
  expect(heads).toContain('b.example/this & more 7');
  expect(heads).toContain('a.example/log 119');
});

test('a bucket that cannot be listed is an error, never an empty result', async () => {
  const server = await startS3Server();
  onTestFinished(() => server.close());
  const { settings } = server;
  const stranger = { ...settings, credentials: { ...settings.credentials, secretAccessKey: 'wrong' } };
  await expect(headsIn(readS3Notes(stranger))).rejects.toBeInstanceOf(SinkRefusedError);
  server.fault = 503;
  await expect(headsIn(readS3Notes(settings))).rejects.toMatchObject({ code: 'http_503' });
});
