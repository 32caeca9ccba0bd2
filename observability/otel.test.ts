import { execFile } from 'node:child_process';
import { createServer } from 'node:net';
import { promisify } from 'node:util';
import { afterEach, describe, expect, it } from 'vitest';
import {
  decodeMessage,
  type Message,
  nested,
  type OtlpReceiver,
  startOtlpGrpcReceiver,
  startOtlpReceiver,
} from './testing.ts';

const run = promisify(execFile);
const incoming = { traceId: '0af7651916cd43dd8448eb211c80319c', spanId: 'b7ad6b7169203331' };
const module = (path: string) => JSON.stringify(new URL(path, import.meta.url).href);

/** Runs a script in a separate Node process, because telemetry is one per process. Returns its output. */
async function inProcess(script: string, settings: Record<string, string>, before = '') {
  const prelude = `
    ${before}
    const { startTelemetry } = await import(${module('./otel.ts')});
    const telemetry = startTelemetry({ serviceName: 'sallyport-api', serviceVersion: '1.2.3' });
    const spans = await import(${module('./http-span.ts')});
    const { registry } = await import(${module('./metrics/instruments.ts')});
    const { logins } = await import(${module('./metrics/identity.ts')});
    const counted = () => Object.fromEntries(registry.collect()
      .find((metric) => metric.name === 'sallyport_telemetry_spans')?.series
      .map((series) => [series.labels.outcome, series.value]) ?? []);
    const request = (headers = {}) => {
      const requestTrace = spans.startServerSpan(headers, 'POST', '/v1/tokens/validate');
      spans.runInSpan(requestTrace, () => spans.withSpan('child', { step: 1 }, () => 1));
      spans.endServerSpan(requestTrace, 200);
      return requestTrace.traceId;
    };
  `;
  const environment = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('OTEL_')));
  const { stdout } = await run(process.execPath, ['--input-type=module', '-e', prelude + script], {
    env: { ...environment, ...settings },
    timeout: 30_000,
  });
  return JSON.parse(stdout) as Record<string, unknown>;
}

const bytes = (message: Message | undefined, field: number) => message?.get(field)?.[0] as Buffer;
const text = (message: Message | undefined, field: number) => bytes(message, field).toString();
const hex = (message: Message | undefined, field: number) => bytes(message, field).toString('hex');
const keys = (message: Message, field: number) =>
  Object.fromEntries(nested(message, field).map((pair) => [text(pair, 1), nested(pair, 2)[0]]));

let receiver: OtlpReceiver | undefined;
afterEach(async () => {
  await receiver?.close();
  receiver = undefined;
});

describe('export', () => {
  const work = `
    const traceId = request({ traceparent: '00-${incoming.traceId}-${incoming.spanId}-00' });
    logins.add(3, { outcome: 'ok', factor: 'password' });
    const outcome = await telemetry.shutdown();
    console.log(JSON.stringify({ traceId, outcome, counted: counted(), warnings: telemetry.warnings }));
  `;

  it('sends spans and metrics as OTLP/HTTP protobuf, the incoming trace id kept and sampling ours', async () => {
    receiver = await startOtlpReceiver();
    const printed = await inProcess(work, {
      OTEL_EXPORTER_OTLP_ENDPOINT: receiver.endpoint,
      OTEL_TRACES_SAMPLER_ARG: '1',
      OTEL_SERVICE_NAME: 'someone-else',
    });
    expect(printed).toEqual({
      traceId: incoming.traceId,
      outcome: 'finished',
      counted: { exported: 2, failed: 0, dropped: 0 },
      warnings: [],
    });
    const of = (path: string) => receiver?.requests.filter((request) => request.path === path) ?? [];
    expect(new Set(receiver.requests.map((request) => request.contentType))).toEqual(
      new Set(['application/x-protobuf']),
    );
    // ExportTraceServiceRequest.resource_spans(1).scope_spans(2).spans(2); Span: trace_id 1, span_id 2, parent 4, name 5
    const traces = decodeMessage(of('/v1/traces')[0]?.body as Buffer);
    const sent = nested(traces, 1, 2, 2);
    const server = sent.find((span) => text(span, 5) === 'POST /v1/tokens/validate');
    const child = sent.find((span) => text(span, 5) === 'child');
    expect(sent).toHaveLength(2);
    expect([hex(server, 1), hex(server, 4)]).toEqual([incoming.traceId, incoming.spanId]);
    expect([hex(child, 1), hex(child, 4)]).toEqual([incoming.traceId, hex(server, 2)]);
    const resource = keys(nested(traces, 1, 1)[0] as Message, 1);
    expect(text(resource['service.name'], 1)).toBe('sallyport-api');
    expect(text(resource['service.version'], 1)).toBe('1.2.3');
    expect(Object.keys(resource).filter((name) => name.startsWith('process.command'))).toEqual([]);
    // ExportMetricsServiceRequest.resource_metrics(1).scope_metrics(2).metrics(2); Metric: name 1, sum 7, data_points 1
    const metrics = of('/v1/metrics').flatMap((each) => nested(decodeMessage(each.body), 1, 2, 2));
    const login = metrics.find((metric) => text(metric, 1) === 'sallyport_logins') as Message;
    const [point] = nested(login, 7, 1);
    expect(bytes(point, 4).readDoubleLE()).toBe(3);
    expect(text(keys(point as Message, 7).factor, 1)).toBe('password');
    // Sum: aggregation_temporality 2 = cumulative, is_monotonic 3.
    expect([nested(login, 7)[0]?.get(2), nested(login, 7)[0]?.get(3)]).toEqual([[2n], [1n]]);
  });

  it('sends the same as JSON when OTEL_EXPORTER_OTLP_PROTOCOL asks for it', async () => {
    receiver = await startOtlpReceiver();
    await inProcess(work, {
      OTEL_EXPORTER_OTLP_ENDPOINT: receiver.endpoint,
      OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
      OTEL_TRACES_SAMPLER: 'always_on',
    });
    const bodies = receiver.requests.map(({ path, body }) => [path, JSON.parse(body.toString())]);
    const traces = bodies.find(([path]) => path === '/v1/traces')?.[1];
    expect(traces.resourceSpans[0].scopeSpans[0].spans.map((span: { traceId: string }) => span.traceId)).toEqual([
      incoming.traceId,
      incoming.traceId,
    ]);
    const metrics = bodies.find(([path]) => path === '/v1/metrics')?.[1].resourceMetrics[0].scopeMetrics;
    expect(JSON.stringify(metrics)).toContain('"name":"sallyport_logins"');
  });

  it('sends the same by gRPC when OTEL_EXPORTER_OTLP_PROTOCOL asks for it', async () => {
    receiver = await startOtlpGrpcReceiver();
    const printed = await inProcess(work, {
      OTEL_EXPORTER_OTLP_ENDPOINT: receiver.endpoint,
      OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc',
      OTEL_TRACES_SAMPLER: 'always_on',
    });
    expect(printed).toMatchObject({ counted: { exported: 2, failed: 0, dropped: 0 }, warnings: [] });
    const of = (service: string) =>
      receiver?.requests.filter(({ path }) => path === `/opentelemetry.proto.collector.${service}/Export`) ?? [];
    const [traces] = of('trace.v1.TraceService');
    expect(traces?.contentType).toBe('application/grpc');
    expect(nested(decodeMessage(traces?.body as Buffer), 1, 2, 2).map((span) => hex(span, 1))).toEqual([
      incoming.traceId,
      incoming.traceId,
    ]);
    const metrics = of('metrics.v1.MetricsService').flatMap(({ body }) => nested(decodeMessage(body), 1, 2, 2));
    expect(metrics.map((metric) => text(metric, 1))).toContain('sallyport_logins');
  });

  it('reads a caller’s trace from the headers that OTEL_PROPAGATORS names, and from no other', async () => {
    receiver = await startOtlpReceiver();
    const printed = await inProcess(
      `const b3 = request({ b3: '${incoming.traceId}-${incoming.spanId}-0', baggage: 'user=1' });
       const other = request({ traceparent: '00-${'a'.repeat(32)}-${incoming.spanId}-01' });
       const broken = request({ b3: 'not a trace' });
       await telemetry.shutdown();
       console.log(JSON.stringify({ b3, other, broken, counted: counted() }));`,
      {
        OTEL_EXPORTER_OTLP_ENDPOINT: receiver.endpoint,
        OTEL_PROPAGATORS: 'b3,baggage',
        OTEL_TRACES_SAMPLER: 'always_on',
      },
    );
    expect(printed).toEqual({
      b3: incoming.traceId,
      other: expect.not.stringMatching(/^a{32}$/),
      broken: expect.stringMatching(/^[0-9a-f]{32}$/),
      // The flag of b3 is ignored, as that of a traceparent.
      counted: { exported: 6, failed: 0, dropped: 0 },
    });
    const sent = receiver.requests.map(({ body }) => body.toString('latin1')).join();
    expect(sent).not.toContain('user');
  });

  it('names the host and its system when asked, and never the command line', async () => {
    receiver = await startOtlpReceiver();
    const printed = await inProcess(work, {
      OTEL_EXPORTER_OTLP_ENDPOINT: receiver.endpoint,
      OTEL_NODE_RESOURCE_DETECTORS: 'os,process',
      OTEL_METRICS_EXPORTER: 'none',
      OTEL_TRACES_SAMPLER: 'always_on',
    });
    expect(printed.warnings).toEqual([expect.stringContaining('OTEL_NODE_RESOURCE_DETECTORS')]);
    const [{ path, body }] = receiver.requests as [OtlpReceiver['requests'][number]];
    expect([path, receiver.requests.length]).toEqual(['/v1/traces', 1]);
    const resource = keys(nested(decodeMessage(body), 1, 1)[0] as Message, 1);
    expect(Object.keys(resource).sort()).toEqual(
      'host.name os.type os.version service.instance.id service.name service.namespace service.version'.split(' '),
    );
  });

  it('patches nothing of Node, registers no loader, and writes no line of the SDK', async () => {
    const printed = await inProcess(
      `request();
       await telemetry.shutdown();
       console.log(JSON.stringify({ same: parts().map((part, at) => part === before[at]), registered }));`,
      {
        OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1',
        OTEL_EXPORTER_OTLP_TIMEOUT: '100',
        OTEL_TRACES_SAMPLER: 'always_on',
        OTEL_LOG_LEVEL: 'debug',
      },
      `const { createRequire, Module } = await import('node:module');
       const { default: http } = await import('node:http');
       let registered = 0;
       for (const name of ['register', 'registerHooks']) Module[name] = () => void (registered += 1);
       Module.syncBuiltinESMExports();
       const parts = () => [Module.prototype.require, Module._load, Module._extensions['.js'], http.request, http.Server.prototype.emit, fetch, console.error];
       const before = parts();`,
    );
    expect(printed).toEqual({ same: [true, true, true, true, true, true, true], registered: 0 });
  });

  it('records about the configured share, whatever the callers’ flags', async () => {
    receiver = await startOtlpReceiver();
    const printed = await inProcess(
      `for (let at = 0; at < 4000; at += 1) request({ traceparent: '00-${incoming.traceId}-${incoming.spanId}-01' });
       await telemetry.shutdown();
       console.log(JSON.stringify(counted()));`,
      { OTEL_EXPORTER_OTLP_ENDPOINT: receiver.endpoint, OTEL_TRACES_SAMPLER_ARG: '0.1' },
    );
    const sampledRequests = Number(printed.exported) / 2;
    expect(sampledRequests).toBeGreaterThan(250);
    expect(sampledRequests).toBeLessThan(550);
  });

  it('a collector that is down fails no request: spans beyond the bound are dropped and every one is counted', async () => {
    const printed = await inProcess(
      `const { default: fastify } = await import('fastify');
       const app = fastify();
       app.addHook('onRequest', (request, _reply, done) => {
         request.trace = spans.startServerSpan(request.headers, request.method, request.routeOptions.url);
         spans.runInSpan(request.trace, done);
       });
       app.addHook('onResponse', async (request, reply) => spans.endServerSpan(request.trace, reply.statusCode));
       app.get('/', () => spans.withSpan('child', {}, () => ({ traceId: spans.currentTraceId() })));
       const url = await app.listen({ port: 0, host: '127.0.0.1' });
       let ok = 0;
       for (let round = 0; round < 20; round += 1) {
         const answers = await Promise.all(Array.from({ length: 25 }, () => fetch(url)));
         for (const answer of answers) ok += answer.status === 200 && (await answer.json()).traceId.length === 32 ? 1 : 0;
       }
       await app.close();
       const outcome = await telemetry.shutdown(20_000);
       const { exported, failed, dropped } = counted();
       console.log(JSON.stringify({ outcome, ok, exported, spans: failed + dropped, failed: failed >= 100, dropped: dropped > 0 }));`,
      {
        OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1',
        OTEL_TRACES_SAMPLER_ARG: '1',
        OTEL_BSP_MAX_QUEUE_SIZE: '100',
        // Long enough for a retry, so that the queue is full for most of the requests.
        OTEL_EXPORTER_OTLP_TIMEOUT: '2500',
      },
    );
    expect(printed).toEqual({ outcome: 'finished', ok: 500, exported: 0, spans: 1_000, failed: true, dropped: true });
  });

  it('a collector that never answers does not delay the end of the process', async () => {
    const silent = createServer(() => undefined);
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    const { port } = silent.address() as { port: number };
    const printed = await inProcess(
      `request();
       const outcome = await telemetry.shutdown(200);
       console.log(JSON.stringify({ outcome }));
       process.exit(0);`,
      { OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}`, OTEL_TRACES_SAMPLER_ARG: '1' },
    );
    expect(printed).toEqual({ outcome: 'timed_out' });
    silent.close();
  });
});

describe('without an endpoint', () => {
  it('no package but the API of OpenTelemetry is loaded, nothing is recorded, and trace ids exist', async () => {
    const printed = await inProcess(
      `const { startErrorReports } = await import(${module('./error-reports.ts')});
       const reports = startErrorReports({ serviceName: 'sallyport-api' });
       const requestTrace = spans.startServerSpan({}, 'GET', '/');
       const seen = spans.runInSpan(requestTrace, () => spans.withSpan('child', {}, spans.currentTraceId));
       console.log(JSON.stringify({ same: seen === requestTrace.traceId, traceId: seen, sampled: requestTrace.sampled,
         reports: reports.isOn, loaded: [...packages], outcome: await telemetry.shutdown() }));`,
      { OTEL_TRACES_SAMPLER: 'always_on', SENTRY_DSN: '' },
      `const { registerHooks } = await import('node:module');
       const packages = new Set();
       registerHooks({ load: (url, context, next) => {
         const [, name] = /.*\\/node_modules\\/((?:@[^/]+\\/)?[^/]+)/.exec(url) ?? [];
         if (name !== undefined) packages.add(name);
         return next(url, context);
       } });`,
    );
    expect(printed).toEqual({
      same: true,
      traceId: expect.stringMatching(/^[0-9a-f]{32}$/),
      sampled: false,
      reports: false,
      loaded: ['@opentelemetry/api'],
      outcome: 'finished',
    });
  });
});
