import { request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { context, propagation, ROOT_CONTEXT, trace } from '@opentelemetry/api';
import { core } from '@opentelemetry/sdk-node';
import { InMemorySpanExporter, SimpleSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace';
import Fastify, { type FastifyInstance } from 'fastify';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  currentRequestTrace,
  currentTraceId,
  currentTraceparent,
  endServerSpan,
  newTraceparent,
  type RequestTrace,
  runDetached,
  runInSpan,
  startServerSpan,
  traceparentOf,
  withBatchSpan,
  withSpan,
} from './http-span.ts';
import { edgeSampler } from './sampling.ts';
import { requestContextManager, setSamplingRatio } from './trace-context.ts';

const incoming = { traceId: '0af7651916cd43dd8448eb211c80319c', spanId: 'b7ad6b7169203331' };
const traceparent = (flags: string) => `00-${incoming.traceId}-${incoming.spanId}-${flags}`;
const exporter = new InMemorySpanExporter();
const spans = () => exporter.getFinishedSpans();
const named = (name: string) => spans().find((span) => span.name === name);

beforeAll(() => {
  context.setGlobalContextManager(requestContextManager);
  propagation.setGlobalPropagator(new core.W3CTraceContextPropagator());
  const provider = new TracerProvider({
    sampler: edgeSampler(0),
    spanProcessors: [new SimpleSpanProcessor({ exporter })],
  });
  trace.setGlobalTracerProvider(provider);
});
beforeEach(() => exporter.reset());

function start(ratio: number, headers: Record<string, string> = {}): RequestTrace {
  setSamplingRatio(ratio);
  return startServerSpan(headers, 'POST', '/v1/tokens/:token_id');
}

describe('startServerSpan', () => {
  it('gives every request its own trace id, sampled or not', () => {
    for (const ratio of [0, 1]) {
      const ids = Array.from({ length: 2_000 }, () => start(ratio).traceId);
      expect([new Set(ids).size, ids.every((id) => /^[0-9a-f]{32}$/.test(id))]).toEqual([2_000, true]);
    }
  });

  it('keeps the id of an incoming traceparent; its sampled flag neither forces nor forbids sampling', () => {
    const forced = start(0, { traceparent: traceparent('01') });
    expect([forced.traceId, forced.sampled]).toEqual([incoming.traceId, false]);
    const forbidden = start(1, { traceparent: traceparent('00') });
    expect([forbidden.traceId, forbidden.sampled]).toEqual([incoming.traceId, true]);
    endServerSpan(forbidden, 200);
    expect(spans()[0]?.parentSpanContext).toMatchObject({ spanId: incoming.spanId, isRemote: true });
  });

  it('samples about half of the requests with one chosen trace id at 0.5', () => {
    const sampled = Array.from({ length: 2_000 }, () => start(0.5, { traceparent: traceparent('01') })).filter(
      (each) => each.sampled,
    );
    expect(sampled.length).toBeGreaterThan(800);
    expect(sampled.length).toBeLessThan(1_200);
  });

  it.each([
    ['nothing', ''],
    ['an unknown form', 'not-a-traceparent'],
    ['a trace id of zeros', `00-${'0'.repeat(32)}-${incoming.spanId}-01`],
    ['a span id of zeros', `00-${incoming.traceId}-${'0'.repeat(16)}-01`],
    ['upper case', traceparent('01').toUpperCase()],
    ['the forbidden version', traceparent('01').replace(/^00/, 'ff')],
    ['version 00 with a tail', `${traceparent('01')}-extra`],
    ['two headers joined', `${traceparent('01')}, ${traceparent('01')}`],
    ['a line break', `${traceparent('01')}\n`],
    ['a long tail', `01${traceparent('01').slice(2)}-${'a'.repeat(300)}`],
  ])('begins a new trace when traceparent is %s', (_what, value) => {
    for (const ratio of [0, 1]) {
      const requestTrace = start(ratio, { traceparent: value });
      expect(requestTrace.traceId).toMatch(/^[0-9a-f]{32}$/);
      expect(requestTrace.traceId).not.toBe(incoming.traceId);
    }
  });

  it('reads the known part of a later version (W3C Trace Context §4.3)', () =>
    expect(start(0, { traceparent: `01${traceparent('01').slice(2)}-more` }).traceId).toBe(incoming.traceId));

  it('names the span by method and route pattern and records no path, address or agent', () => {
    setSamplingRatio(1);
    endServerSpan(startServerSpan({ 'user-agent': 'x' }, 'BREW', undefined), 404);
    endServerSpan(startServerSpan({}, 'GET', '/v1/keys'), 503, Object.assign(new Error('secret'), { code: 'x_down' }));
    endServerSpan(startServerSpan({}, 'GET', '/v1/keys'), 500);
    endServerSpan(startServerSpan({}, 'GET', '/v1/keys'), 400, 'thrown text');
    expect(spans().map(({ name, attributes, status }) => [name, attributes, status.code])).toEqual([
      ['HTTP', { 'http.request.method': '_OTHER', 'http.response.status_code': 404 }, 0],
      ['GET /v1/keys', expect.objectContaining({ 'http.route': '/v1/keys', 'error.type': 'x_down' }), 2],
      ['GET /v1/keys', expect.objectContaining({ 'error.type': '500' }), 2],
      ['GET /v1/keys', expect.objectContaining({ 'error.type': 'string' }), 0],
    ]);
    expect(JSON.stringify(spans().map((span) => [span.attributes, span.events, span.status]))).not.toContain('secret');
  });
});

describe('the request in progress', () => {
  it('shows the same trace id and traceparent throughout, across awaits, and none outside', async () => {
    const requestTrace = start(0, { traceparent: traceparent('01') });
    await runInSpan(requestTrace, async () => {
      await sleep(1);
      expect(currentTraceId()).toBe(incoming.traceId);
      expect(currentTraceparent()).toBe(traceparentOf(requestTrace));
      expect(currentTraceparent()).toMatch(
        new RegExp(`^00-${incoming.traceId}-(?!${incoming.spanId})[0-9a-f]{16}-00$`),
      );
      expect(currentRequestTrace()).toBe(requestTrace);
      expect(runDetached(currentTraceId)).toBeUndefined();
    });
    expect([currentTraceId(), currentTraceparent(), currentRequestTrace()]).toEqual([undefined, undefined, undefined]);
  });

  it('two requests at once never see each other', async () => {
    const both = [start(0), start(1)];
    const seen = await Promise.all(both.map((each) => runInSpan(each, () => sleep(2).then(currentTraceId))));
    expect(seen).toEqual(both.map((each) => each.traceId));
  });

  it('libraries find the trace in OpenTelemetry’s context, unsampled requests included', () => {
    const requestTrace = start(0);
    runInSpan(requestTrace, () => {
      const carrier: Record<string, string> = {};
      propagation.inject(context.active(), carrier);
      expect(carrier.traceparent).toBe(currentTraceparent());
      const bound = context.bind(context.active(), () => currentTraceId());
      expect(runDetached(bound)).toBe(requestTrace.traceId);
    });
    expect(context.active()).toBe(ROOT_CONTEXT);
    const emitter = {};
    expect(context.bind(ROOT_CONTEXT, emitter)).toBe(emitter);
  });

  it('work that no request started can begin its own trace', () => {
    expect(newTraceparent()).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/);
    const job = propagation.extract(ROOT_CONTEXT, { traceparent: traceparent('01') });
    context.with(job, () => {
      expect(currentTraceId()).toBe(incoming.traceId);
      expect(currentTraceparent()).toBe(traceparent('01'));
    });
    context.with(ROOT_CONTEXT, () => expect([currentTraceId(), currentTraceparent()]).toEqual([undefined, undefined]));
  });
});

describe('withSpan', () => {
  it('attaches to the server span of a sampled request, through nesting', async () => {
    const requestTrace = start(1);
    await runInSpan(requestTrace, () =>
      withSpan('outer', { 'db.system.name': 'postgresql' }, async () => {
        await sleep(1);
        expect(currentRequestTrace()).toBe(requestTrace);
        expect(currentTraceId()).toBe(requestTrace.traceId);
        expect(withSpan('inner', {}, () => 7)).toBe(7);
      }),
    );
    endServerSpan(requestTrace, 200);
    expect(named('outer')?.parentSpanContext?.spanId).toBe(requestTrace.spanId);
    expect(named('inner')?.parentSpanContext?.spanId).toBe(named('outer')?.spanContext().spanId);
    expect(new Set(spans().map((span) => span.spanContext().traceId))).toEqual(new Set([requestTrace.traceId]));
  });

  it('is a plain call in a request that is not sampled', () => {
    runInSpan(start(0), () => {
      const before = context.active();
      withSpan('unseen', {}, () => expect(context.active()).toBe(before));
    });
    expect(spans()).toEqual([]);
  });

  it('rethrows an error unchanged and records its code, not its message', async () => {
    const error = Object.assign(new Error('Key (email)=(a@b.example)'), { code: '23505' });
    const requestTrace = start(1);
    await runInSpan(requestTrace, async () => {
      await expect(withSpan('rejects', {}, () => Promise.reject(error))).rejects.toBe(error);
      expect(() =>
        withSpan('throws', {}, () => {
          throw new TypeError('hunter2');
        }),
      ).toThrow('hunter2');
    });
    expect(named('rejects')).toMatchObject({ attributes: { 'error.type': '23505' }, status: { code: 2 }, events: [] });
    expect(named('throws')).toMatchObject({
      attributes: { 'error.type': 'TypeError' },
      status: { code: 2 },
      events: [],
    });
  });

  it('also ends for the thenable of a query builder', async () => {
    // biome-ignore lint/suspicious/noThenProperty: a query builder is such an object
    const lazy = { then: (done: (value: number) => void) => Promise.resolve(3).then(done) } as PromiseLike<number>;
    await runInSpan(start(1), async () => expect(await withSpan('lazy', {}, () => lazy)).toBe(3));
    expect(named('lazy')?.ended).toBe(true);
  });
});

describe('withBatchSpan', () => {
  it('is a child of the first sampled member and links to the others', () => {
    const [first, second] = [start(1), start(1)] as [RequestTrace, RequestTrace];
    runInSpan(start(0), () => withBatchSpan('batch', {}, [start(0), undefined, first, second], () => undefined));
    const batch = named('batch');
    expect(batch?.parentSpanContext?.spanId).toBe(first.spanId);
    expect(batch?.links.map((link) => link.context.spanId)).toEqual([second.spanId]);
  });

  it('belongs to no request when no member is sampled', () => {
    runInSpan(start(0), () => {
      expect(withBatchSpan('batch', {}, [currentRequestTrace()], currentTraceId)).toBeUndefined();
    });
    expect(spans()).toEqual([]);
  });
});

describe('in Fastify', () => {
  let app: FastifyInstance;
  afterEach(() => app.close());

  it('a handler behind a parsed body runs in its request’s trace, and its child span attaches', async () => {
    const traces = new WeakMap<object, RequestTrace>();
    const of = (request: object) => traces.get(request) as RequestTrace;
    app = Fastify();
    app.addHook('onRequest', (request, _reply, done) => {
      traces.set(request, startServerSpan(request.headers, request.method, request.routeOptions.url));
      runInSpan(of(request), done);
    });
    app.addHook('onResponse', (request, reply, done) => {
      endServerSpan(of(request), reply.statusCode);
      done();
    });
    app.post('/echo/:id', async () =>
      withSpan('work', {}, async () => {
        await sleep(1);
        return { traceId: currentTraceId() };
      }),
    );
    const base = await app.listen({ port: 0, host: '127.0.0.1' });
    setSamplingRatio(1);
    // The body comes in pieces of its own, long after the hooks have run.
    const answers = await Promise.all(
      Array.from({ length: 20 }, async (_, at) => {
        const id = at.toString(16).padStart(32, 'a');
        const body = JSON.stringify({ large: 'x'.repeat(20_000) });
        const answer = await new Promise<string>((resolve, reject) => {
          const headers = {
            'content-type': 'application/json',
            'content-length': body.length,
            traceparent: `00-${id}-${incoming.spanId}-00`,
          };
          const outgoing = request(`${base}/echo/${at}`, { method: 'POST', headers }, async (response) => {
            resolve((await response.toArray()).join(''));
          }).on('error', reject);
          outgoing.flushHeaders();
          setTimeout(() => outgoing.write(body.slice(0, 10_000)), 20);
          setTimeout(() => outgoing.end(body.slice(10_000)), 40);
        });
        return JSON.parse(answer).traceId === id;
      }),
    );
    expect(answers).toEqual(new Array(20).fill(true));
    await expect.poll(() => spans().filter((span) => span.name === 'POST /echo/:id').length).toBe(20);
    for (const work of spans().filter((span) => span.name === 'work')) {
      const server = spans().find((span) => span.spanContext().spanId === work.parentSpanContext?.spanId);
      expect(server?.name).toBe('POST /echo/:id');
      expect(server?.spanContext().traceId).toBe(work.spanContext().traceId);
    }
  });
});
