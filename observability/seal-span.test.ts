import { context, trace } from '@opentelemetry/api';
import { InMemorySpanExporter, SimpleSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace';
import { beforeAll, beforeEach, expect, test } from 'vitest';
import { withJobSpan } from './job-span.ts';
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
const jobParent = `00-${'1'.repeat(32)}-${'2'.repeat(16)}-01`;
const sampled = { traceparent: `00-${traceId}-${spanId}-01`, attributes: { 'sallyport.audit.seq': 7 } };

/** Far from the process's own age: the SDK takes smaller numbers for readings of `performance.now()`. */
const startMs = 1_700_000_000_000;

test('the trace of a sampled request ends in a child span for its sealed event, with a link to the job', async () => {
  await withJobSpan('seal-audit-events', {}, jobParent, async () => {
    recordSealedSpans([sampled], startMs, startMs + 250);
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
  recordSealedSpans([sampled], 1, 2);
  expect(exporter.getFinishedSpans()[0]?.links).toEqual([]);
});
