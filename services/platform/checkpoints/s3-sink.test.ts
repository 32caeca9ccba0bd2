import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { CheckpointForkError, type OutgoingCheckpoint, SinkRefusedError } from '#services/core/ports.ts';
import { startS3Server } from '#tools/testing/fakes/s3-server.ts';
import { openedEach } from '#tools/testing/opened.ts';
import { testFolder } from '#tools/testing/test-folder.ts';
import { createFileSink } from './file-sink.ts';
import { type PublishedNote, readFileNotes, readS3Notes } from './published-notes.ts';
import { createS3Sink } from './s3-sink.ts';
import { signV4 } from './signature-v4.ts';

const server = openedEach(startS3Server);

const checkpoint = (size: number, rootByte = 1): OutgoingCheckpoint => {
  const root = Buffer.alloc(32, rootByte).toString('base64');
  const note = `a.example/log\n${size}\n${root}\n\n\u2014 a.example/log c2ln\n`;
  return { origin: 'a.example/log', size, root, note, consistencyProof: async () => [] };
};
const publish = (what: OutgoingCheckpoint, settings = server.settings) =>
  createS3Sink(settings).publish(what, AbortSignal.timeout(5_000));

test('puts one object for each head, signed, and overwrites none', async () => {
  await publish(checkpoint(7));
  await publish(checkpoint(8));
  await publish(checkpoint(8));
  const names = [...server.objects.keys()].map((name) => name.slice(name.indexOf('/audit')));
  expect(names).toEqual(['/audit/a.example/log/0000000000000007', '/audit/a.example/log/0000000000000008']);
  expect([...server.objects.values()][0]).toBe(checkpoint(7).note);
  expect(server.answers).toEqual([200, 200, 412, 200]);
});

test('another root of a published size is a fork, and the published object stays', async () => {
  await publish(checkpoint(7));
  const fork = await publish(checkpoint(7, 2)).catch((err: unknown) => err);
  expect(fork).toBeInstanceOf(CheckpointForkError);
  expect((fork as CheckpointForkError).held).toBe(checkpoint(7).note);
  expect(server.objects.size).toBe(1);
});

test('distinguishes a refusal from an unreachable sink', async () => {
  const { settings } = server;
  const stranger = { ...settings, credentials: { ...settings.credentials, secretAccessKey: 'wrong' } };
  await expect(publish(checkpoint(7), stranger)).rejects.toBeInstanceOf(SinkRefusedError);
  server.fault = 503;
  const failure = await publish(checkpoint(7)).catch((err: unknown) => err);
  expect(failure).not.toBeInstanceOf(SinkRefusedError);
  expect(failure).toMatchObject({ code: 'http_503' });
});

test('a compressed answer is a refusal, and none of it is read', async () => {
  const compressing = createServer((_request, response) => {
    response.writeHead(200, { 'content-encoding': 'br' }).end('never read');
  });
  await new Promise<void>((done) => compressing.listen(0, '127.0.0.1', done));
  const { port } = compressing.address() as AddressInfo;
  const settings = { ...server.settings, url: `http://127.0.0.1:${port}/audit` };
  await expect(publish(checkpoint(7), settings)).rejects.toMatchObject({ code: 'answer_refused' });
  compressing.close();
});

// The examples of the Amazon S3 API reference, "Authenticating Requests: Using the Authorization Header".
const credentials = {
  accessKeyId: 'AKIAIOSFODNN7EXAMPLE',
  secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
};
const at = Date.UTC(2013, 4, 24);

test('GET with a range is signed as Amazon’s example says', async () => {
  const url = new URL('https://examplebucket.s3.amazonaws.com/test.txt');
  const signed = await signV4(
    { method: 'GET', url, headers: { range: 'bytes=0-9' }, body: '' },
    'us-east-1',
    credentials,
    at,
  );
  expect(signed.authorization).toBe(
    'AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, ' +
      'SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, ' +
      'Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41',
  );
  expect(signed).not.toHaveProperty('host');
});

test('PUT with a body and a name to be encoded is signed as Amazon’s example says', async () => {
  const url = new URL('https://examplebucket.s3.amazonaws.com/test$file.text');
  const headers = { date: 'Fri, 24 May 2013 00:00:00 GMT', 'x-amz-storage-class': 'REDUCED_REDUNDANCY' };
  const signed = await signV4(
    { method: 'PUT', url, headers, body: 'Welcome to Amazon S3.' },
    'us-east-1',
    credentials,
    at,
  );
  expect(signed.authorization).toMatch(/Signature=98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd$/);
});

test('a plus in a name is a plus, and a space a space', async () => {
  const signatureOf = async (name: string): Promise<string | undefined> => {
    const url = new URL(`https://examplebucket.s3.amazonaws.com/${name}`);
    return (await signV4({ method: 'GET', url, headers: {}, body: '' }, 'us-east-1', credentials, at)).authorization;
  };
  expect(await signatureOf('a+b')).toBe(await signatureOf('a%2Bb'));
  expect(await signatureOf('a+b')).not.toBe(await signatureOf('a%20b'));
});

const checkpointOf = (origin: string, size: number, rootByte = 1): OutgoingCheckpoint => {
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
    await sink.publish(checkpointOf('a.example/log', size), later);
  }
  await sink.publish(checkpointOf('a.example/log/continued-1', 1), later);
  await expect(sink.publish(checkpointOf('a.example/log', 5, 2), later)).rejects.toBeInstanceOf(CheckpointForkError);
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
  for (let size = 0; size < 120; size += 1) await sink.publish(checkpointOf('a.example/log', size), later);
  await sink.publish(checkpointOf('b.example/this & more', 7), later);
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
