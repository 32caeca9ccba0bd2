import { type Span, SpanKind, trace } from '@opentelemetry/api';
import { endFailed } from './http-span.ts';
import { activeRequestTrace } from './trace-context.ts';

const tracer = trace.getTracer('sallyport');

/** Anything that ends once, with a value or an error. */
type Settles = PromiseLike<unknown>;

/**
 * Opens the span of one call to a store, in a recorded request; undefined elsewhere. Jobs are left to the libraries'
 * instrumentations, which cost more than a request may.
 *
 * @param name of a prepared statement, or the command: no value, for it is exported
 * @param text the statement with its placeholders, or the command's name
 */
export function startStoreSpan(system: 'postgresql' | 'redis', name: string, text: string): Span | undefined {
  if (activeRequestTrace()?.span === undefined) return undefined;
  return tracer.startSpan(name, {
    kind: SpanKind.CLIENT,
    attributes: { 'db.system.name': system, 'db.query.text': text },
  });
}

/** Ends the span; of an error it records the code or class name. */
export function endStoreSpan(span: Span, error?: unknown): void {
  if (error === undefined || error === null) span.end();
  else endFailed(span, error);
}

export function endStoreSpanWith(span: Span, call: Settles): void {
  call.then(
    () => endStoreSpan(span),
    (error: unknown) => endStoreSpan(span, error ?? new Error()),
  );
}
