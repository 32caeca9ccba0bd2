import { createHash, createHmac } from 'node:crypto';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { CheckpointForkError, type OutgoingCheckpoint, SinkRefusedError } from '../../domain/ports.ts';
import { createS3Sink } from './s3-sink.ts';

const ACCESS_KEY = 'AKIDEXAMPLE';
const SECRET = 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY';
const objects = new Map<string, string>();
let answers: number[];
let server: Server;
let url: string;
let fault: number | undefined;

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
const hmac = (key: string | Buffer, text: string): Buffer => createHmac('sha256', key).update(text).digest();

/** AWS Signature Version 4 as its documentation describes it, from what came over the wire. */
function isSigned(request: IncomingMessage, body: string): boolean {
  const fields =
    /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/s3\/aws4_request,SignedHeaders=([^,]+),Signature=([0-9a-f]{64})$/.exec(
      request.headers.authorization ?? '',
    );
  if (!fields) return false;
  const [, id, day = '', region = '', names = '', signature] = fields;
  const stamp = String(request.headers['x-amz-date']);
  const isRecent =
    Math.abs(Date.parse(stamp.replace(/^(....)(..)(..T..)(..)(..Z)$/, '$1-$2-$3:$4:$5')) - Date.now()) < 900_000;
  const headers = names.split(';').map((name) => `${name}:${String(request.headers[name]).trim()}\n`);
  const hash = String(request.headers['x-amz-content-sha256']);
  const canonical = `${request.method}\n${request.url}\n\n${headers.join('')}\n${names}\n${hash}`;
  const toSign = `AWS4-HMAC-SHA256\n${stamp}\n${day}/${region}/s3/aws4_request\n${sha256(canonical)}`;
  const key = hmac(hmac(hmac(hmac(`AWS4${SECRET}`, day), region), 's3'), 'aws4_request');
  const mustBeSigned = ['host', 'x-amz-date', 'x-amz-content-sha256'].every((name) => names.split(';').includes(name));
  return (
    id === ACCESS_KEY &&
    isRecent &&
    mustBeSigned &&
    hash === sha256(body) &&
    hmac(key, toSign).toString('hex') === signature
  );
}

beforeEach(async () => {
  objects.clear();
  answers = [];
  fault = undefined;
  server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk) => {
      body += chunk;
    });
    request.on('end', () => {
      const name = request.url ?? '';
      const judge = (): readonly [number, string?] => {
        if (fault !== undefined) return [fault];
        if (!isSigned(request, body)) return [403];
        if (request.method === 'GET') return objects.has(name) ? [200, objects.get(name)] : [404];
        if (request.headers['if-none-match'] !== '*') return [400];
        if (objects.has(name)) return [412];
        objects.set(name, body);
        return [200];
      };
      const [status, text = ''] = judge();
      answers.push(status);
      response.writeHead(status).end(text);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/bucket/audit`;
});
afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

const checkpoint = (size: number, rootByte = 1): OutgoingCheckpoint => {
  const root = Buffer.alloc(32, rootByte).toString('base64');
  const note = `a.example/log\n${size}\n${root}\n\n\u2014 a.example/log c2ln\n`;
  return { origin: 'a.example/log', size, root, note, consistencyProof: async () => [] };
};
const sinkWith = (secretAccessKey: string) =>
  createS3Sink({ url, region: 'eu-central-1', credentials: { accessKeyId: ACCESS_KEY, secretAccessKey } });
const publish = (secret: string, what: OutgoingCheckpoint) =>
  sinkWith(secret).publish(what, AbortSignal.timeout(5_000));

test('puts one object for each head, signed, only where none is', async () => {
  await publish(SECRET, checkpoint(7));
  await publish(SECRET, checkpoint(8));
  await publish(SECRET, checkpoint(8));
  expect([...objects.keys()]).toEqual([
    '/bucket/audit/a.example/log/0000000000000007',
    '/bucket/audit/a.example/log/0000000000000008',
  ]);
  expect(objects.get('/bucket/audit/a.example/log/0000000000000007')).toBe(checkpoint(7).note);
  expect(answers).toEqual([200, 200, 412, 200]);
});

test('another root of a size that is there is a fork, and what is there stays', async () => {
  await publish(SECRET, checkpoint(7));
  const fork = await publish(SECRET, checkpoint(7, 2)).catch((err: unknown) => err);
  expect(fork).toBeInstanceOf(CheckpointForkError);
  expect((fork as CheckpointForkError).held).toBe(checkpoint(7).note);
  expect(objects.size).toBe(1);
});

test('a refusal is told from a sink that is out of reach', async () => {
  await expect(publish('wrong', checkpoint(7))).rejects.toBeInstanceOf(SinkRefusedError);
  fault = 503;
  const failure = await publish(SECRET, checkpoint(7)).catch((err: unknown) => err);
  expect(failure).not.toBeInstanceOf(SinkRefusedError);
  expect(failure).toMatchObject({ code: 'http_503' });
});
