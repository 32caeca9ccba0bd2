import { context, trace } from '@opentelemetry/api';
import { InMemorySpanExporter, SimpleSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace';
import { beforeAll, beforeEach, expect, test } from 'vitest';
import { withCausedSpan, withJobSpan } from './job-span.ts';
import { edgeSampler } from './sampling.ts';
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
