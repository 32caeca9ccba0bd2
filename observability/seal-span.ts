import {
  type Attributes,
  context,
  isSpanContextValid,
  ROOT_CONTEXT,
  SpanKind,
  TraceFlags,
  trace,
} from '@opentelemetry/api';

const tracer = trace.getTracer('sallyport');
const SAMPLED = /^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f][13579bdf]$/;

/**
 * Adds a span to the trace of each sampled request when its event is sealed. The span is a child of the event's
 * `traceparent` and links to the job that sealed it.
 * @param startMs wall-clock time at which the batch began
 * @param endMs wall-clock time at which it was committed
 */
export function recordSealedSpans(
  events: readonly { readonly traceparent: string | null; readonly attributes: Attributes }[],
  startMs: number,
  endMs: number,
): void {
  const job = trace.getSpanContext(context.active());
  const links = job !== undefined && isSpanContextValid(job) ? [{ context: job }] : [];
  for (const { traceparent, attributes } of events) {
    if (traceparent === null || !SAMPLED.test(traceparent)) continue;
    const parent = trace.setSpanContext(ROOT_CONTEXT, {
      traceId: traceparent.slice(3, 35),
      spanId: traceparent.slice(36, 52),
      traceFlags: TraceFlags.SAMPLED,
      isRemote: true,
    });
    const options = { kind: SpanKind.INTERNAL, attributes, links, startTime: startMs };
    tracer.startSpan('seal audit event', options, parent).end(endMs);
  }
}
