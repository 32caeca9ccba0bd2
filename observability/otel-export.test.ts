import { type AddressInfo, createServer } from 'node:net';
import { trace } from '@opentelemetry/api';
import { core } from '@opentelemetry/sdk-node';
import { type ReadableSpan, type SpanExporter, TracerProvider } from '@opentelemetry/sdk-trace';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { endServerSpan, runInSpan, startServerSpan, withSpan } from './http-span.ts';
import { httpMetrics } from './metrics/http.ts';
import { registry } from './metrics/instruments.ts';
import { revocationStaleness } from './metrics/revocations.ts';
import { startTelemetry } from './otel.ts';
import { startExport } from './otel-export.ts';
import { readTelemetrySettings } from './otel-settings.ts';
import { boundedSpanProcessor } from './span-export.ts';
import { type OtlpReceiver, startOtlpReceiver } from './testing.ts';
import { setSamplingRatio } from './trace-context.ts';

let receiver: OtlpReceiver;
beforeAll(async () => {
  receiver = await startOtlpReceiver();
  vi.stubEnv('OTEL_EXPORTER_OTLP_ENDPOINT', receiver.endpoint);
});
afterAll(async () => {
  vi.unstubAllEnvs();
  await receiver.close();
});

const counted = (): Record<string, number> =>
  Object.fromEntries(
    (registry.collect().find((metric) => metric.name === 'sallyport_telemetry_spans')?.series ?? []).map((series) => [
      series.labels.outcome,
      series.value,
    ]),
  );

type Sent = {
  name: string;
  unit: string;
  histogram?: { dataPoints: { attributes: unknown; count: number | string; bucketCounts: (number | string)[] }[] };
  gauge?: { dataPoints: { asDouble: number }[] };
};

describe('startExport', () => {
  const { warnings: _none, ...settings } = readTelemetrySettings({ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1' });

  it('sends histograms and gauges under their convention’s names, with closed attributes, and the last spans at shutdown', async () => {
    const sdk = startExport({
      ...settings,
      serviceName: 'sallyport-worker',
      instanceId: 'one',
      samplingRatio: 1,
      spanProtocol: 'http/json',
      metricProtocol: 'http/json',
    });
    setSamplingRatio(1);
    const requestTrace = startServerSpan({}, 'GET', '/v1/keys');
    runInSpan(requestTrace, () => withSpan('sign', {}, () => undefined));
    endServerSpan(requestTrace, 200);
    withSpan('poll', {}, () => undefined);
    httpMetrics.registerRoutes(['/v1/keys']);
    httpMetrics.route('GET', '/v1/keys').record(200, 0.003);
    httpMetrics.unmatched('GET').record(299, 0.003);
    revocationStaleness.set(0.25);
    await sdk.shutdown();
    const bodies = (path: string) =>
      receiver.requests.filter((each) => each.path === path).map((each) => JSON.parse(each.body.toString()));
    const names = bodies('/v1/traces').flatMap((body) =>
      body.resourceSpans[0].scopeSpans.flatMap((scope: { spans: { name: string }[] }) =>
        scope.spans.map(({ name }) => name),
      ),
    );
    expect(names.sort()).toEqual(['GET /v1/keys', 'poll', 'sign']);
    expect(counted()).toMatchObject({ exported: 3, failed: 0, dropped: 0 });
    const metrics: Sent[] = bodies('/v1/metrics').flatMap((body) =>
      body.resourceMetrics[0].scopeMetrics.flatMap((scope: { metrics: Sent[] }) => scope.metrics),
    );
    const durations = metrics.find(({ name }) => name === 'http.server.request.duration');
    expect(durations?.unit).toBe('s');
    expect(durations?.histogram?.dataPoints.map(({ attributes }) => attributes)).toEqual([
      [
        { key: 'http.request.method', value: { stringValue: 'GET' } },
        { key: 'http.route', value: { stringValue: '/v1/keys' } },
        { key: 'http.response.status_code', value: { intValue: 200 } },
      ],
      [
        { key: 'http.request.method', value: { stringValue: 'GET' } },
        { key: 'http.route', value: { stringValue: 'other' } },
        { key: 'http.response.status_code', value: { stringValue: 'other' } },
      ],
    ]);
    expect(durations?.histogram?.dataPoints[0]?.bucketCounts.map(Number)).toEqual([0, 1, 0, 0, 0, 0]);
    const staleness = metrics.find(({ name }) => name === 'sallyport_revocation_staleness_seconds');
    expect(staleness?.gauge?.dataPoints[0]?.asDouble).toBe(0.25);
    expect(metrics.find(({ name }) => name === 'sallyport_signing_key_age_seconds')).toBeUndefined();
  });

  it('sends nothing for a signal without an endpoint', async () => {
    receiver.requests.length = 0;
    const both = { ...settings, serviceName: 'sallyport-mcp', instanceId: 'two' };
    await startExport({ ...both, exportsSpans: false }).shutdown();
    expect(receiver.requests.map(({ path, contentType }) => [path, contentType])).toEqual([
      ['/v1/metrics', 'application/x-protobuf'],
    ]);
    await startExport({ ...both, exportsMetrics: false }).shutdown();
    expect(receiver.requests).toHaveLength(1);
  });
});

describe('boundedSpanProcessor', () => {
  it('exports the type of an error and no message', async () => {
    const sent: ReadableSpan[] = [];
    const exporter: SpanExporter = {
      export: (spans, done) => {
        sent.push(...spans);
        done({ code: core.ExportResultCode.SUCCESS });
      },
      shutdown: async () => undefined,
    };
    const provider = new TracerProvider({ spanProcessors: [boundedSpanProcessor({ exporter, ...limits })] });
    const span = provider
      .getTracer('test')
      .startSpan('pg.query', { root: true, attributes: { 'error.type': '22P02' } });
    span.recordException(new Error('invalid input syntax for type uuid: "hunter2"'));
    span.setStatus({ code: 2, message: 'invalid input syntax for type uuid: "hunter2"' });
    span.end();
    await provider.shutdown();
    const [one] = sent as [ReadableSpan];
    expect([one.name, one.status, one.events, one.attributes]).toEqual([
      'pg.query',
      { code: 2 },
      [],
      { 'error.type': '22P02' },
    ]);
    expect(one.spanContext()).toEqual(span.spanContext());
    expect(one.duration).toBeDefined();
  });

  const limits = { maxPendingSpans: 10, maxBatchSpans: 5, scheduledDelayMs: 60_000, exportTimeoutMs: 50 };

  function begin(exporter: SpanExporter): { spans(count: number): void; shutdown(): Promise<void> } {
    const provider = new TracerProvider({ spanProcessors: [boundedSpanProcessor({ exporter, ...limits })] });
    const tracer = provider.getTracer('test');
    return {
      spans(count) {
        for (let at = 0; at < count; at += 1) tracer.startSpan('s', { root: true }).end();
      },
      shutdown: () => provider.shutdown(),
    };
  }

  const change = (before: Record<string, number>): Record<string, number> =>
    Object.fromEntries(Object.entries(counted()).map(([name, value]) => [name, value - (before[name] ?? 0)]));

  it('holds no more than its bound, including batches in flight, and accepts new spans once those are settled', async () => {
    const before = counted();
    const flights: { spans: ReadableSpan[]; done: () => void }[] = [];
    const processor = begin({
      export: (spans, done) => flights.push({ spans, done: () => done({ code: core.ExportResultCode.SUCCESS }) }),
      shutdown: async () => undefined,
    });
    processor.spans(25);
    expect(change(before)).toEqual({ exported: 0, failed: 0, dropped: 15 });
    flights.shift()?.done();
    processor.spans(25);
    expect(change(before)).toEqual({ exported: 5, failed: 0, dropped: 35 });
    const settle = setInterval(() => {
      for (const flight of flights.splice(0)) flight.done();
    }, 1);
    await processor.shutdown();
    clearInterval(settle);
    expect(change(before)).toEqual({ exported: 15, failed: 0, dropped: 35 });
  });

  it('counts the spans of an exporter that fails or throws, and continues', async () => {
    const before = counted();
    let calls = 0;
    const processor = begin({
      export(_spans, done) {
        calls += 1;
        if (calls === 1) throw new Error('broken');
        done({ code: core.ExportResultCode.FAILED });
      },
      shutdown: async () => undefined,
    });
    processor.spans(5);
    await new Promise((resolve) => setImmediate(resolve));
    processor.spans(5);
    await processor.shutdown();
    expect(change(before)).toEqual({ exported: 0, failed: 10, dropped: 0 });
    expect(trace.getActiveSpan()).toBeUndefined();
  });
});

describe('startTelemetry', () => {
  const load = () => ({ startExport });

  it('shuts down at once with nothing to export', async () => {
    vi.stubEnv('OTEL_SDK_DISABLED', 'true');
    const telemetry = startTelemetry({ serviceName: 'sallyport-mcp' });
    vi.stubEnv('OTEL_SDK_DISABLED', '');
    expect(telemetry).toMatchObject({ exportsSpans: false, samplingRatio: 0 });
    expect(await telemetry.shutdown()).toBe('finished');
  });

  it('sends the last metrics at shutdown, which ends in time even if the endpoint does not answer', async () => {
    receiver.requests.length = 0;
    const telemetry = startTelemetry({ serviceName: 'sallyport-mcp' }, load);
    expect(telemetry).toMatchObject({ exportsSpans: true, exportsMetrics: true, samplingRatio: 0.01 });
    expect(await telemetry.shutdown()).toBe('finished');
    expect(receiver.requests.map(({ path }) => path)).toContain('/v1/metrics');
    const silent = createServer(() => undefined);
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    vi.stubEnv('OTEL_EXPORTER_OTLP_ENDPOINT', `http://127.0.0.1:${(silent.address() as AddressInfo).port}`);
    expect(await startTelemetry({ serviceName: 'sallyport-mcp' }, load).shutdown(50)).toBe('timed_out');
    silent.close();
    vi.stubEnv('OTEL_EXPORTER_OTLP_ENDPOINT', receiver.endpoint);
  });
});
