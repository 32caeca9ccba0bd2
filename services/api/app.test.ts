import { once } from 'node:events';
import { type AddressInfo, connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { setImmediate } from 'node:timers/promises';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { z } from 'zod';
import { registry } from '#observability/metrics/instruments.ts';
import { renderPrometheus } from '#observability/metrics/prometheus.ts';
import '#tools/catalog/metrics.ts';
import { eventually } from '#tools/testing/eventually.ts';
import { defineError } from '../platform/define/error.ts';
import { TEST_PATIENCE } from '../platform/process/patience.ts';
import { bind } from './bind.ts';
import { createBrowserRules } from './requests/browser-rules.ts';
import { bindWaiting, callWaiting, made, serve } from './route-harness.ts';

const thingSold = defineError({ code: 'thing_sold', status: 409, title: 'Sold', cause: 'It is sold.', fix: 'Ask.' });

describe('an address', () => {
  test('without a route is 404, and with another method 405 with the allowed methods', async () => {
    const served = serve();
    bind(served.routes, made({ operation: 'readThing', method: 'GET', path: '/things/{id}' }), () => ({}));
    expect(await served.ask('GET', '/nothing')).toMatchObject({ status: 404, body: { code: 'route_unknown' } });
    expect(await served.ask('DELETE', '/things/1')).toMatchObject({
      status: 405,
      headers: { allow: 'GET, HEAD' },
      body: { code: 'method_not_allowed' },
    });
    const unread = { payload: 'abc', headers: { 'content-type': 'text/plain' } };
    expect((await served.ask('POST', '/nothing', unread)).body.code).toBe('route_unknown');
  });
});

test('an address without a route, or one that cannot be read, is a page for a browser', async () => {
  const served = serve();
  const headers = { accept: 'text/html,application/xhtml+xml,*/*;q=0.8' };
  for (const path of ['/nothing', '/things/%zz'])
    expect(await served.ask('GET', path, { headers })).toMatchObject({
      status: 404,
      headers: { 'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-store' },
      text: expect.stringContaining('This page does not exist'),
    });
  expect((await served.ask('GET', '/things/%zz')).body.code).toBe('route_unknown');
});

describe('an answer', () => {
  test('the response to a refusal has its code; the response to a defect has no details, which are logged once', async () => {
    const served = serve();
    bind(served.routes, made({ operation: 'sell', path: '/sell' }), () => {
      throw thingSold();
    });
    bind(served.routes, made({ operation: 'breaks', path: '/breaks' }), () => {
      throw new Error('secret of the inside');
    });
    expect(await served.ask('POST', '/sell')).toMatchObject({
      status: 409,
      headers: { 'content-type': expect.stringContaining('application/problem+json') },
      body: { code: 'thing_sold' },
    });
    expect(served.failures).toEqual([]);
    const broken = await served.ask('POST', '/breaks');
    expect(broken).toMatchObject({ status: 500, body: { code: 'internal_error' } });
    expect(broken.text).not.toContain('secret');
    expect(served.failures).toHaveLength(1);
  });

  test('to a body in an unsupported coding is no server error', async () => {
    const served = serve();
    bind(served.routes, made({ operation: 'work' }), () => ({}));
    const headers = { 'transfer-encoding': 'gzip, chunked' };
    expect((await served.ask('POST', '/things', { headers })).status).toBe(501);
    expect(served.failures).toEqual([]);
  });

  test('on an OAuth path with an unknown method is an OAuth error', async () => {
    const served = serve();
    bind(served.routes, made({ operation: 'a', oauthErrors: true }), () => ({}));
    expect(await served.ask('GET', '/things')).toMatchObject({ status: 405, body: { error: expect.any(String) } });
  });
});

test('during a drain, only liveness and readiness are answered', async () => {
  const served = serve();
  bind(served.routes, made({ operation: 'work', path: '/work' }), () => ({}));
  bind(
    served.routes,
    made({ operation: 'health', path: '/health', method: 'GET', answersWhileDraining: true }),
    () => ({}),
  );
  expect(served.isDraining()).toBe(false);
  served.startDraining();
  expect(served.isDraining()).toBe(true);
  expect(await served.ask('POST', '/work')).toMatchObject({
    status: 503,
    headers: { 'retry-after': '1', connection: 'close' },
    body: { code: 'shutting_down' },
  });
  expect((await served.ask('GET', '/health')).status).toBe(201);
  expect(served.failures).toEqual([]);
  await served.drain(1_000);
});

test('after its notice a copy is leaving, and answers every request on a connection that it then closes', async () => {
  const served = serve();
  bind(served.routes, made({ operation: 'work', path: '/work' }), () => ({}));
  expect(served.isLeaving()).toBe(false);
  served.giveNotice();
  expect([served.isLeaving(), served.isDraining()]).toEqual([true, false]);
  expect(await served.ask('POST', '/work')).toMatchObject({ status: 201, headers: { connection: 'close' } });
  served.startDraining();
  await eventually(
    'the refusal of later ones',
    async () => (await served.ask('POST', '/work')).body?.code === 'shutting_down',
  );
  await served.drain(1_000);
});

test('after a notice, a request that a load balancer sends while the copy begins to drain is answered', async () => {
  const served = serve();
  bind(served.routes, made({ operation: 'work', path: '/work' }), () => ({}));
  await served.fastify.listen({ port: 0, host: '127.0.0.1' });
  const { port } = served.fastify.server.address() as AddressInfo;
  const opened = Array.from({ length: 8 }, () => connect(port, '127.0.0.1'));
  await Promise.all(opened.map((socket) => once(socket, 'connect')));
  served.giveNotice();
  served.startDraining();
  const drained = served.drain(5_000);
  const answers = opened.map(async (socket) => {
    socket.write('POST /work HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n');
    let text = '';
    for await (const part of socket) text += part;
    return text;
  });
  for (const answer of await Promise.all(answers)) {
    expect(answer).toMatch(/^HTTP\/1\.1 201 /);
    expect(answer.toLowerCase()).toContain('connection: close');
  }
  await drained;
  await expect(fetch(`http://127.0.0.1:${port}/work`)).rejects.toThrow();
});

test('so is one that it sends on an idle connection just after the copy stopped listening', async () => {
  const served = serve();
  bind(served.routes, made({ operation: 'work', path: '/work' }), () => ({}));
  await served.fastify.listen({ port: 0, host: '127.0.0.1' });
  const { port } = served.fastify.server.address() as AddressInfo;
  const idle = connect(port, '127.0.0.1');
  const ask = async (): Promise<string> => {
    idle.write('POST /work HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n');
    return String((await once(idle, 'data'))[0]);
  };
  await ask();
  served.giveNotice();
  served.startDraining();
  const drained = served.drain(5_000);
  while (served.fastify.server.listening) await setImmediate();
  expect(await ask()).toMatch(/^HTTP\/1\.1 201 /);
  await drained;
});

test('a connection that has sent nothing does not delay the stop', async () => {
  const served = serve();
  await served.fastify.listen({ port: 0, host: '127.0.0.1' });
  const silent = connect((served.fastify.server.address() as AddressInfo).port, '127.0.0.1');
  await once(silent, 'connect');
  silent.resume();
  const gone = once(silent, 'close');
  await served.drain(600_000);
  await gone;
});

test('a keep-alive connection does not delay the stop once its request in flight is answered', async () => {
  const served = serve();
  const work = bindWaiting(served.routes);
  const url = await served.fastify.listen({ port: 0, host: '127.0.0.1' });
  const asked = fetch(`${url}/things`, { method: 'POST' });
  await work.begun;
  served.startDraining();
  const drained = served.drain(600_000);
  work.end();
  const answered = await asked;
  expect([answered.status, answered.headers.get('connection')]).toEqual([201, 'close']);
  await drained;
});

test('a page of a listed origin learns what it may send, one of another origin is refused', async () => {
  const served = serve({ browsers: createBrowserRules({ origins: new Set(['https://own.test']), isTlsOnly: true }) });
  bind(
    served.routes,
    made({ operation: 'work', auth: { accepts: [], optional: true, for: 'anyone', subject: 'none' } }),
    () => ({}),
  );
  const asked = { 'access-control-request-method': 'POST' };
  const allowed = await served.ask('OPTIONS', '/things', { headers: { origin: 'https://own.test', ...asked } });
  expect(allowed).toMatchObject({ status: 204, headers: { 'access-control-allow-methods': 'POST' } });
  const refused = await served.ask('OPTIONS', '/things', { headers: { origin: 'https://foreign.test', ...asked } });
  expect(refused).toMatchObject({ status: 403, body: { code: 'origin_refused' } });
});

test('only a request that wrote to the audit log wakes sealing', async () => {
  const written: string[] = [];
  const served = serve({ onAuditWritten: ({ traceId }) => written.push(traceId) });
  bind(served.routes, made({ operation: 'quiet', path: '/quiet' }), () => ({}));
  bind(served.routes, made({ operation: 'writes', path: '/writes' }), (_input, _caller, request) => {
    request.trace.writesAudit = true;
    return {};
  });
  await served.ask('POST', '/quiet');
  expect(written).toEqual([]);
  await served.ask('POST', '/writes');
  expect(written).toHaveLength(1);
});

test('a request whose client disconnected before the answer is counted once, as 499', async () => {
  const served = serve();
  const call = await callWaiting(served);
  expect(await call.leave()).toBe('left');
  const counted = (): string[] =>
    renderPrometheus(registry.collect())
      .split('\n')
      .filter((line) => line.startsWith('http_server_request_duration_seconds_count') && line.includes('"499"'));
  await expect.poll(counted).toEqual([expect.stringMatching(/ 1$/)]);
  call.end();
  await served.fastify.close();
  expect(counted()).toEqual([expect.stringMatching(/ 1$/)]);
});

test('a request whose client disconnects before the answer does not stay in flight', async () => {
  const served = serve();
  const call = await callWaiting(served);
  expect(served.inFlight.size).toBe(1);
  expect(await call.leave()).toBe('left');
  call.end();
  await expect.poll(() => served.inFlight.size).toBe(0);
  await served.fastify.close();
});

test('nor does one whose client disconnects in the middle of the body', async () => {
  const served = serve();
  bind(served.routes, made({ operation: 'work', body: z.object({}) }), () => ({}));
  await served.fastify.listen({ port: 0, host: '127.0.0.1' });
  const { port } = served.fastify.server.address() as AddressInfo;
  const socket = connect(port, '127.0.0.1');
  socket.write(
    'POST /things HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"a":',
  );
  await expect.poll(() => served.inFlight.size).toBe(1);
  socket.destroy();
  await expect.poll(() => served.inFlight.size).toBe(0);
  await served.fastify.close();
});

test('many callers who stop in the middle of a body hold no other caller back, and are answered 408 at the bound of the server', async () => {
  // A machine that stands still meanwhile makes requests stale, which abandoned-requests.test.ts is about.
  vi.stubEnv(TEST_PATIENCE, '60');
  onTestFinished(() => void vi.unstubAllEnvs());
  const served = serve();
  const { server } = served.fastify;
  const reached: unknown[] = [];
  bind(served.routes, made({ operation: 'work', body: z.object({ from: z.string() }) }), ({ body }) => {
    reached.push(body);
    return {};
  });
  // Node takes the longer of both for the whole request.
  expect(Math.max(server.headersTimeout, server.requestTimeout)).toBe(10_000);
  // The bound comes when the test says so. Node does not declare how often it looks for slow requests.
  Object.assign(server, { headersTimeout: 3_600_000, requestTimeout: 3_600_000, connectionsCheckingInterval: 10 });
  const url = await served.fastify.listen({ port: 0, host: '127.0.0.1' });
  const slow = await Promise.all(
    Array.from({ length: 300 }, async () => {
      const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
      await once(socket, 'connect');
      socket.write(
        'POST /things HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{',
      );
      return { socket, answer: text(socket) };
    }),
  );
  await expect.poll(() => served.inFlight.size, { timeout: 30_000 }).toBe(slow.length);
  const headers = { 'content-type': 'application/json' };
  const other = await fetch(`${url}/things`, { method: 'POST', headers, body: '{"from":"another"}' });
  expect([other.status, slow.filter(({ socket }) => socket.closed || socket.bytesRead > 0)]).toEqual([201, []]);

  Object.assign(server, { headersTimeout: 1, requestTimeout: 1 });
  for (const answer of await Promise.all(slow.map((each) => each.answer))) {
    expect(answer).toMatch(/^HTTP\/1\.1 408 /);
    expect(answer).toContain('request_too_slow');
  }
  await expect.poll(() => served.inFlight.size, { timeout: 30_000 }).toBe(0);
  expect(reached).toEqual([{ from: 'another' }]);
  await served.fastify.close();
});
