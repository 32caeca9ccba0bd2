import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import { CheckpointForkError, type OutgoingCheckpoint, SinkRefusedError } from '#services/core/ports.ts';
import { startS3Server } from '#tools/testing/fakes/s3-server.ts';
import { openedEach } from '#tools/testing/opened.ts';
import { createS3Sink } from './s3-sink.ts';

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
