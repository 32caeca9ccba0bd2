import { context, SpanStatusCode, trace } from '@opentelemetry/api';
import { InMemorySpanExporter, SimpleSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace';
import { beforeAll, beforeEach, expect, it } from 'vitest';
import { runInSpan, startServerSpan, withSpan } from './http-span.ts';
import { edgeSampler } from './sampling.ts';
import { endStoreSpan, endStoreSpanWith, startStoreSpan } from './store-call-span.ts';
import { requestContextManager, setSamplingRatio } from './trace-context.ts';

const exporter = new InMemorySpanExporter();
const spans = () => exporter.getFinishedSpans();

beforeAll(() => {
  context.setGlobalContextManager(requestContextManager);
  const spanProcessors = [new SimpleSpanProcessor({ exporter })];
  trace.setGlobalTracerProvider(new TracerProvider({ sampler: edgeSampler(0), spanProcessors }));
});
beforeEach(() => exporter.reset());

/** Runs `work` in a request that is recorded, or not. */
function inRequest<T>(isRecorded: boolean, work: () => T): T {
  setSamplingRatio(isRecorded ? 1 : 0);
  return runInSpan(startServerSpan({}, 'GET', '/'), work);
}
const statement = () => startStoreSpan('postgresql', 'session_read', 'SELECT 1 WHERE $1');

it('a call outside of recorded requests has no span', () => {
  expect(statement()).toBeUndefined();
  expect(inRequest(false, statement)).toBeUndefined();
  expect(withSpan('job', {}, statement)).toBeUndefined();
});

it('a call in a recorded request has a span of its text, inside the span that is open', () => {
  const span = inRequest(true, () => withSpan('work', {}, statement));
  endStoreSpan(span!);
  const [work, call] = ['work', 'session_read'].map((name) => spans().find((each) => each.name === name));
  expect(call?.parentSpanContext?.spanId).toBe(work?.spanContext().spanId);
  expect(call?.attributes).toEqual({ 'db.system.name': 'postgresql', 'db.query.text': 'SELECT 1 WHERE $1' });
});

it('of a failed call the code is recorded and no message', async () => {
  const failure = Object.assign(new Error('value anna@example.test'), { code: '23505' });
  endStoreSpanWith(inRequest(true, statement)!, Promise.reject(failure));
  endStoreSpanWith(inRequest(true, statement)!, Promise.reject(undefined));
  endStoreSpanWith(inRequest(true, statement)!, Promise.resolve());
  await new Promise(setImmediate);
  expect(spans().map(({ attributes, status }) => [attributes['error.type'], status.code, status.message])).toEqual(
    expect.arrayContaining([
      ['23505', SpanStatusCode.ERROR, undefined],
      ['Error', SpanStatusCode.ERROR, undefined],
      [undefined, SpanStatusCode.UNSET, undefined],
    ]),
  );
});
