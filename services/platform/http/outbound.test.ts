import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { guardedFetch, guardingFetch, isPublicAddress } from './outbound.ts';

const answers: Record<string, RequestListener> = {
  '/': (request, response) => {
    response.setHeader('x-method', request.method as string);
    request.pipe(response);
  },
  '/redirect': (_request, response) => response.writeHead(302, { location: 'http://169.254.169.254/' }).end(),
  '/huge': (_request, response) => response.end(Buffer.alloc(1_100_000)),
  '/bomb': (_request, response) =>
    response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync(Buffer.alloc(10_000_000))),
  '/empty': (_request, response) => response.writeHead(204).end(),
  '/drip': (_request, response) => {
    const dripping = setInterval(() => response.write('x'), 10);
    response.on('close', () => clearInterval(dripping));
  },
};
const server = createServer((request, response) => answers[request.url as string]?.(request, response));
let base: string;
beforeAll(async () => {
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => server.close());

test('A6 addresses that not everybody could reach are private, IPv4 wrapped in IPv6 among them', () => {
  for (const address of ['1.1.1.1', '8.8.8.8', '172.32.0.1', '2606:4700:4700::1111', '2a00:1450::1'])
    expect([address, isPublicAddress(address)]).toEqual([address, true]);
  const inside =
    '0.0.0.0 10.0.0.1 100.64.0.1 127.0.0.1 169.254.169.254 172.16.0.1 172.31.255.255 192.168.1.1 192.0.2.1 198.18.0.1 203.0.113.1 224.0.0.1 255.255.255.255 :: ::1 ::ffff:10.0.0.1 ::ffff:1.1.1.1 64:ff9b::a00:1 fc00::1 fd12::1 fe80::1 ff02::1 2001:db8::1 2001::1 2002:a00:1:: localhost';
  for (const address of inside.split(' ')) expect([address, isPublicAddress(address)]).toEqual([address, false]);
});

test('A6 neither a private address, nor a name that leads to one, nor plain http is asked', async () => {
  const strict = { allowsPrivate: false };
  for (const url of [
    base,
    'https://127.0.0.1/',
    'https://[::1]/',
    'https://[::ffff:7f00:1]/',
    'https://2130706433/',
    'https://0x7f.1/',
    'https://localhost/',
    'https://169.254.169.254/latest/meta-data',
  ])
    await expect(guardedFetch(strict, url), url).rejects.toThrow('outbound request refused');
});

test('where a private network is configured, redirects, large and compressed answers are refused still', async () => {
  const lenient = { allowsPrivate: true };
  const echoed = await guardedFetch(lenient, base, { method: 'POST', body: 'a=b' });
  expect([await echoed.text(), echoed.headers.get('x-method'), echoed.status]).toEqual(['a=b', 'POST', 200]);
  expect((await guardedFetch(lenient, `${base}/empty`)).status).toBe(204);
  for (const path of ['/redirect', '/huge', '/bomb'])
    await expect(guardedFetch(lenient, base + path), path).rejects.toThrow('outbound request refused');
  await expect(guardedFetch(lenient, base, { signal: AbortSignal.abort() })).rejects.toThrow();
  await expect(
    guardedFetch({ ...lenient, answerBytesMax: 3 }, base, { method: 'POST', body: 'a=b' }),
  ).resolves.toBeDefined();
  await expect(guardedFetch({ ...lenient, answerBytesMax: 2 }, base, { method: 'POST', body: 'a=b' })).rejects.toThrow(
    'too large',
  );
  // Headers at once, then a byte now and then.
  await expect(guardedFetch({ ...lenient, deadlineMs: 50 }, `${base}/drip`)).rejects.toThrow();
});

test('only the work it is given is guarded', async () => {
  await expect(guardingFetch({ allowsPrivate: false }, () => fetch(base))).rejects.toThrow('outbound request refused');
  expect((await fetch(`${base}/empty`)).status).toBe(204);
});
