import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import { type AddressInfo, createServer as createTcpServer, type Socket } from 'node:net';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { listening } from '#tools/testing/listening.ts';
import { opened } from '#tools/testing/opened.ts';
import { guardedFetch, guardingFetch, isPublicAddress, pinnedLookup } from './outbound.ts';

const answers: Record<string, RequestListener> = {
  '/': (request, response) => {
    response.setHeader('x-method', request.method as string).setHeader('x-connection', `${request.headers.connection}`);
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
const site = opened(() => listening(server));

test('addresses that are not globally reachable are private, also IPv4 embedded in IPv6', () => {
  for (const address of ['1.1.1.1', '8.8.8.8', '172.32.0.1', '2606:4700:4700::1111', '2a00:1450::1'])
    expect([address, isPublicAddress(address)]).toEqual([address, true]);
  const inside =
    '0.0.0.0 10.0.0.1 100.64.0.1 127.0.0.1 169.254.169.254 172.16.0.1 172.31.255.255 192.168.1.1 192.0.2.1 198.18.0.1 203.0.113.1 224.0.0.1 255.255.255.255 :: ::1 ::ffff:10.0.0.1 ::ffff:1.1.1.1 64:ff9b::a00:1 fc00::1 fd12::1 fe80::1 ff02::1 2001:db8::1 2001::1 2002:a00:1:: localhost';
  for (const address of inside.split(' ')) expect([address, isPublicAddress(address)]).toEqual([address, false]);
});

test('SSRF: refuses a private address, a name that resolves to one, and plain http (CVE-2026-56739, Logto: webhooks and connectors called addresses of the inner network)', async () => {
  const strict = { allowsPrivate: false };
  for (const url of [
    site.url,
    ...'https://127.0.0.1/ https://[::1]/ https://[::ffff:7f00:1]/ https://2130706433/ https://0x7f.1/'.split(' '),
    ...'https://localhost/ https://a.localhost./ https://169.254.169.254/latest/meta-data'.split(' '),
  ])
    await expect(guardedFetch(strict, url), url).rejects.toThrow('outbound request refused');
});

test('refuses redirects, large and compressed answers even if a private network is allowed', async () => {
  const lenient = { allowsPrivate: true };
  const echoed = await guardedFetch(lenient, site.url, { method: 'POST', body: 'a=b' });
  expect([await echoed.text(), echoed.headers.get('x-method'), echoed.status]).toEqual(['a=b', 'POST', 200]);
  expect(echoed.headers.get('x-connection')).toBe('close');
  expect((await guardedFetch(lenient, `${site.url}/empty`)).status).toBe(204);
  for (const path of ['/redirect', '/huge', '/bomb'])
    await expect(guardedFetch(lenient, site.url + path), path).rejects.toThrow('outbound request refused');
  await expect(guardedFetch(lenient, site.url, { signal: AbortSignal.abort() })).rejects.toThrow();
  await expect(
    guardedFetch({ ...lenient, answerBytesMax: 3 }, site.url, { method: 'POST', body: 'a=b' }),
  ).resolves.toBeDefined();
  await expect(
    guardedFetch({ ...lenient, answerBytesMax: 2 }, site.url, { method: 'POST', body: 'a=b' }),
  ).rejects.toThrow('too large');
  // Sends the headers immediately, then a byte from time to time.
  await expect(guardedFetch({ ...lenient, deadlineMs: 50 }, `${site.url}/drip`)).rejects.toThrow();
});

test('a non-HTTP answer or a refused one ends the request and closes the connection', async () => {
  const closed: Promise<unknown>[] = [];
  const answering: Record<string, string> = {
    '/upgrade': 'HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n',
    '/hang-up': '',
    '/redirect': 'HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 9\r\n\r\n',
    '/bomb': 'HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nContent-Length: 9\r\n\r\n',
  };
  const raw = createTcpServer((socket: Socket) => {
    closed.push(once(socket, 'close'));
    socket.on('error', () => {});
    socket.once('data', (head: Buffer) => {
      const told = answering[head.toString().split(' ')[1] as string] as string;
      if (told === '') socket.end();
      else socket.write(told);
    });
  });
  raw.listen(0, '127.0.0.1');
  await once(raw, 'listening');
  const at = `http://127.0.0.1:${(raw.address() as AddressInfo).port}`;
  // A deadline too long to end the request.
  const patient = { allowsPrivate: true, deadlineMs: 3_600_000 };
  for (const path of Object.keys(answering)) await expect(guardedFetch(patient, at + path), path).rejects.toThrow();
  expect(closed).toHaveLength(4);
  await Promise.all(closed);
  raw.close();
});

describe('names are resolved by name servers, not by the system resolver', () => {
  const A = 1;
  /** Records of each name, by type; the server never answers for other names. */
  const zone: Record<string, Record<number, readonly number[]>> = {
    'inside.example': { [A]: [10, 0, 0, 7] },
    'both.example': { [A]: [1, 1, 1, 1], 28: [...Array(15).fill(0), 1] },
    'empty.example': {},
  };
  const asked: string[] = [];
  const names = createSocket('udp4', (query, from) => {
    const labels: string[] = [];
    let at = 12;
    for (let size = query[at] as number; size > 0; size = query[at] as number) {
      labels.push(query.toString('latin1', at + 1, at + 1 + size));
      at += 1 + size;
    }
    const name = labels.join('.');
    const type = query.readUInt16BE(at + 1);
    asked.push(name);
    const held = zone[name];
    if (held === undefined) return;
    const address = held[type];
    const answer = address === undefined ? [] : [0xc0, 12, 0, type, 0, 1, 0, 0, 0, 0, 0, address.length, ...address];
    const head = Buffer.from([...query.subarray(0, 2), 0x81, 0x80, 0, 1, 0, answer.length > 0 ? 1 : 0, 0, 0, 0, 0]);
    names.send(Buffer.concat([head, query.subarray(12, at + 5), Buffer.from(answer)]), from.port, from.address);
  });
  let rules: { allowsPrivate: boolean; nameServers: string[] };
  beforeAll(async () => {
    names.bind(0, '127.0.0.1');
    await once(names, 'listening');
    rules = { allowsPrivate: false, nameServers: [`127.0.0.1:${names.address().port}`] };
  });
  afterAll(() => names.close());

  test.each([
    ['inside.example', 'private address'],
    ['both.example', 'private address'],
    ['empty.example', 'has no address'],
  ])('%s is refused: %s', async (name, why) => {
    await expect(guardedFetch(rules, `https://${name}/a`)).rejects.toThrow(why);
    expect(asked).toContain(name);
  });

  test('a dead name server leaves time for the next one', async () => {
    const dead = createSocket('udp4');
    dead.bind(0, '127.0.0.1');
    await once(dead, 'listening');
    const nameServers = [`127.0.0.1:${dead.address().port}`, ...rules.nameServers];
    // Client metadata documents have a deadline of three seconds in total.
    const look = guardedFetch({ ...rules, nameServers, deadlineMs: 1_900 }, 'https://inside.example/a');
    await expect(look).rejects.toThrow('private address');
    dead.close();
  });

  test('localhost is not resolved', async () => {
    await expect(guardedFetch(rules, 'https://a.localhost/')).rejects.toThrow('names a private address');
    expect(asked).not.toContain('a.localhost');
  });

  test('a silent name server is waited for until the deadline only', async () => {
    await expect(guardedFetch({ ...rules, deadlineMs: 100 }, 'https://silent.example/')).rejects.toThrow('timeout');
    expect(asked).toContain('silent.example');
  });

  test('DNS rebinding: the connection uses the checked addresses without a second lookup', () => {
    const found = [
      { address: '1.1.1.1', family: 4 },
      { address: '2606:4700:4700::1111', family: 6 },
    ];
    const told: unknown[] = [];
    const lookup = pinnedLookup(found);
    lookup('rebound.example', { all: true }, (...answer) => told.push(answer));
    lookup('rebound.example', {}, (...answer) => told.push(answer));
    expect(told).toEqual([
      [null, found],
      [null, '1.1.1.1', 4],
    ]);
  });
});

test('guardingFetch guards only the work passed to it', async () => {
  await expect(guardingFetch({ allowsPrivate: false }, () => fetch(site.url))).rejects.toThrow(
    'outbound request refused',
  );
  expect((await fetch(`${site.url}/empty`)).status).toBe(204);
});
