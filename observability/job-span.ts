import {
  type Attributes,
  type Context,
  isSpanContextValid,
  ROOT_CONTEXT,
  SpanKind,
  type SpanOptions,
  trace,
} from '@opentelemetry/api';
import { currentTraceparent, endFailed, newTraceparent } from './http-span.ts';
import { requestContextManager } from './trace-context.ts';

const tracer = trace.getTracer('sallyport');

/** Makes our own `traceparent` (00, checked by the caller) the parent in this context. */
const contextOf = (traceparent: string): Context =>
  trace.setSpanContext(ROOT_CONTEXT, {
    traceId: traceparent.slice(3, 35),
    spanId: traceparent.slice(36, 52),
    traceFlags: traceparent.endsWith('1') ? 1 : 0,
    isRemote: true,
  });

/**
 * Runs one attempt of a job in a consumer span, a child of the trace that enqueued it. Without one a new trace begins,
 * sampled at the configured ratio. `fn` gets the run's own traceparent. Of a thrown error only the code or class name
 * is recorded.
 *
 * @param traceparent W3C form, or '' for none
 */
export const withJobSpan = <T>(
  name: string,
  attributes: Attributes,
  traceparent: string,
  fn: (traceparent: string) => Promise<T>,
): Promise<T> => inTrace(name, { kind: SpanKind.CONSUMER, attributes }, traceparent, fn);

/**
 * Runs one piece of a job that works for many requests in a span of the request that caused the piece. The span links
 * to the run of the job. Otherwise as `withJobSpan`.
 */
export function withCausedSpan<T>(
  name: string,
  attributes: Attributes,
  traceparent: string,
  fn: (traceparent: string) => Promise<T>,
): Promise<T> {
  const run = trace.getSpanContext(requestContextManager.active());
  const links = run !== undefined && isSpanContextValid(run) ? [{ context: run }] : [];
  return inTrace(name, { kind: SpanKind.INTERNAL, attributes, links }, traceparent, fn);
}

async function inTrace<T>(
  name: string,
  options: SpanOptions,
  traceparent: string,
  fn: (traceparent: string) => Promise<T>,
): Promise<T> {
  const parent = traceparent === '' ? ROOT_CONTEXT : contextOf(traceparent);
  const span = tracer.startSpan(name, options, parent);
  // Without an SDK there is no span, but still a trace id.
  const context = isSpanContextValid(span.spanContext()) ? trace.setSpan(parent, span) : contextOf(newTraceparent());
  return requestContextManager.with(context, async () => {
    try {
      const result = await fn(currentTraceparent() as string);
      span.end();
      return result;
    } catch (err) {
      endFailed(span, err);
      throw err;
    }
  });
}
