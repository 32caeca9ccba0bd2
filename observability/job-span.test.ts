import { context, trace } from '@opentelemetry/api';
import { InMemorySpanExporter, SimpleSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace';
import { beforeAll, beforeEach, expect, test } from 'vitest';
import { withCausedSpan, withJobSpan } from './job-span.ts';
import { edgeSampler } from './sampling.ts';
import { recordSealedSpans } from './seal-span.ts';
import { requestContextManager } from './trace-context.ts';

const exporter = new InMemorySpanExporter();
beforeAll(() => {
  context.setGlobalContextManager(requestContextManager);
  const provider = new TracerProvider({
    // Of the jobs' own traces none is recorded unless its parent is.
    sampler: edgeSampler(0),
    spanProcessors: [new SimpleSpanProcessor({ exporter })],
  });
  trace.setGlobalTracerProvider(provider);
});
beforeEach(() => exporter.reset());

const traceId = '0af7651916cd43dd8448eb211c80319c';
const spanId = 'b7ad6b7169203331';
const cause = `00-${traceId}-${spanId}-01`;
const jobParent = `00-${'1'.repeat(32)}-${'2'.repeat(16)}-01`;

test('a piece of a job is a child span of the request that caused it, linked to the run, and gets that trace', async () => {
  let own = '';
  await withJobSpan('a-job', {}, jobParent, () =>
    withCausedSpan('a piece', { 'sallyport.job.attempt': 1 }, cause, async (traceparent) => {
      own = traceparent;
    }),
  );
  const [piece, job] = exporter.getFinishedSpans();
  expect(piece).toMatchObject({
    name: 'a piece',
    attributes: { 'sallyport.job.attempt': 1 },
    parentSpanContext: { traceId, spanId },
  });
  expect(own).toBe(`00-${traceId}-${piece?.spanContext().spanId}-01`);
  expect(piece?.links.map((link) => link.context.spanId)).toEqual([job?.spanContext().spanId]);
  expect(job?.spanContext().traceId).toBe('1'.repeat(32));
});

test('a piece that no request caused has a new trace, and one outside a run has no link', async () => {
  await withCausedSpan('a piece', {}, '', async (traceparent) => {
    expect(traceparent).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/);
  });
  await withCausedSpan('a piece', {}, cause, async () => {});
  expect(exporter.getFinishedSpans().map(({ links }) => links)).toEqual([[]]);
});

test('a failed piece ends its span with the code of the error, and rejects', async () => {
  const failed = Object.assign(new Error('not for the span'), { code: 'http_503' });
  await expect(withCausedSpan('a piece', {}, cause, () => Promise.reject(failed))).rejects.toBe(failed);
  expect(exporter.getFinishedSpans()[0]).toMatchObject({ attributes: { 'error.type': 'http_503' }, events: [] });
});

const sealed = { traceparent: cause, attributes: { 'sallyport.audit.seq': 7 } };
/** Far from the process's own age: the SDK takes smaller numbers for readings of `performance.now()`. */
const startMs = 1_700_000_000_000;

test('the trace of a sampled request ends in a child span for its sealed event, with a link to the job', async () => {
  await withJobSpan('seal-audit-events', {}, jobParent, async () => {
    recordSealedSpans([sealed], startMs, startMs + 250);
  });
  const [span, job] = exporter.getFinishedSpans();
  expect(span).toMatchObject({
    name: 'seal audit event',
    startTime: [1_700_000_000, 0],
    endTime: [1_700_000_000, 250_000_000],
    attributes: { 'sallyport.audit.seq': 7 },
    parentSpanContext: { traceId, spanId },
  });
  expect(span?.spanContext().traceId).toBe(traceId);
  expect(span?.links.map((link) => link.context.spanId)).toEqual([job?.spanContext().spanId]);
});

test('events without a trace, with an unsampled one, or with an invalid traceparent have no span', () => {
  for (const traceparent of [null, '', `00-${traceId}-${spanId}-00`, `00-${traceId}-${spanId}-01-x`, 'nonsense'])
    recordSealedSpans([{ traceparent, attributes: {} }], 1, 2);
  expect(exporter.getFinishedSpans()).toEqual([]);
});

test('outside a job the span has no link', () => {
  recordSealedSpans([sealed], 1, 2);
  expect(exporter.getFinishedSpans()[0]?.links).toEqual([]);
});
