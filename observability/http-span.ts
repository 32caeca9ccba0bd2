import type { IncomingHttpHeaders } from 'node:http';
import {
  type Attributes,
  type Context,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  TraceFlags,
  trace,
} from '@opentelemetry/api';
import {
  activeRequestTrace,
  activeStore,
  drawSample,
  edgeSampledKey,
  newSpanId,
  newTraceId,
  RequestTrace,
  runInStore,
} from './trace-context.ts';

export type { RequestTrace } from './trace-context.ts';

const tracer = trace.getTracer('sallyport');
const methods: ReadonlySet<string> = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);
const traceparentForm = /^(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:$|-)/;
const TRACEPARENT_LENGTH_MAX = 256;

function isTraceparent(value: string): boolean {
  if (value.length < 55 || value.length > TRACEPARENT_LENGTH_MAX || !traceparentForm.test(value)) return false;
  return value.length === 55 || !value.startsWith('00');
}

const traceparentIn = ({ traceparent }: IncomingHttpHeaders): string | undefined =>
  typeof traceparent === 'string' && isTraceparent(traceparent) ? traceparent : undefined;

let parentIn = traceparentIn;

/** Sets how the parent of a request is found. The default is its `traceparent` (W3C Trace Context §3.2). */
export function readParentBy(read: (headers: IncomingHttpHeaders) => string | undefined): void {
  parentIn = read;
}

/**
 * Opens the server span of a request. Call it first in `onRequest` and keep the result on the request.
 * A valid parent in the headers sets trace id and parent. Its sampled flag is ignored, and `tracestate` and `baggage`
 * are dropped, because they are untrusted text.
 *
 * @param route the route's pattern (`/v1/tokens/:token_id`), undefined when none matched; never the requested path
 */
export function startServerSpan(headers: IncomingHttpHeaders, method: string, route: string | undefined): RequestTrace {
  return continueTrace(parentIn(headers), method, route);
}

/** The same for a caller whose `traceparent`, which is valid, came otherwise. */
export function continueTrace(parent: string | undefined, method: string, route: string | undefined): RequestTrace {
  if (!drawSample()) return new RequestTrace(parent === undefined ? newTraceId() : parent.slice(3, 35), undefined);
  return startRecording(parent, methods.has(method) ? method : '_OTHER', route);
}

function startRecording(parent: string | undefined, method: string, route: string | undefined): RequestTrace {
  let context: Context = ROOT_CONTEXT.setValue(edgeSampledKey, true);
  if (parent !== undefined)
    context = trace.setSpanContext(context, {
      traceId: parent.slice(3, 35),
      spanId: parent.slice(36, 52),
      traceFlags: TraceFlags.SAMPLED,
      isRemote: true,
    });
  const verb = method === '_OTHER' ? 'HTTP' : method;
  const attributes: Attributes = { 'http.request.method': method };
  if (route !== undefined) attributes['http.route'] = route;
  const span = tracer.startSpan(
    route === undefined ? verb : `${verb} ${route}`,
    { kind: SpanKind.SERVER, attributes },
    context,
  );
  if (!span.isRecording())
    return new RequestTrace(parent === undefined ? newTraceId() : parent.slice(3, 35), undefined);
  return new RequestTrace(span.spanContext().traceId, span);
}

/**
 * Closes the server span. Call it in `onResponse`. It records only the code or class name of an error.
 *
 * @param status the HTTP status sent; 499 when the client disconnected before the answer
 */
export function endServerSpan(requestTrace: RequestTrace, status: number, error?: unknown): void {
  const span = requestTrace.span;
  if (span === undefined) return;
  span.setAttribute('http.response.status_code', status);
  if (error !== undefined) span.setAttribute('error.type', errorType(error));
  else if (status >= 500) span.setAttribute('error.type', String(status));
  if (status >= 500) span.setStatus({ code: SpanStatusCode.ERROR });
  span.end();
}

/**
 * Runs `fn`, and everything it starts or awaits, as part of the request: in `onRequest`, after `startServerSpan`,
 * `runInSpan(requestTrace, done)`. Fastify keeps the context while it reads the body.
 */
export const runInSpan = <T>(requestTrace: RequestTrace, fn: () => T): T => runInStore(requestTrace, fn);

/** Runs `fn` outside any request, for work that outlives the request that started it. */
export const runDetached = <T>(fn: () => T): T => runInStore(undefined, fn);

/** The trace of the current request, for `withBatchSpan`; undefined outside requests. */
export const currentRequestTrace = (): RequestTrace | undefined => activeRequestTrace();

/** The trace id of the current request or job, sampled or not; undefined outside both. */
export function currentTraceId(): string | undefined {
  const active = activeStore();
  if (active === undefined) return undefined;
  return active instanceof RequestTrace ? active.traceId : trace.getSpanContext(active)?.traceId;
}

/** `traceparent` for an outbox row, a job or an outgoing request (W3C Trace Context §3.2); undefined outside requests. */
export function currentTraceparent(): string | undefined {
  const active = activeStore();
  if (active === undefined) return undefined;
  if (active instanceof RequestTrace) return traceparentOf(active);
  const context = trace.getSpanContext(active);
  return context && `00-${context.traceId}-${context.spanId}-${(context.traceFlags & 1) === 1 ? '01' : '00'}`;
}

export const traceparentOf = (requestTrace: RequestTrace): string =>
  `00-${requestTrace.traceId}-${requestTrace.spanId}-${requestTrace.sampled ? '01' : '00'}`;

/** A new unsampled `traceparent`, for work that no request started. */
export const newTraceparent = (): string => `00-${newTraceId()}-${newSpanId()}-00`;

/**
 * Runs `fn` in a child span; in an unsampled request it is a plain call. Outside requests a new trace
 * begins, sampled at the configured ratio. Attributes must hold no secret and no personal data. Of a thrown error
 * only the code or class name is recorded, and the error is rethrown unchanged.
 */
export function withSpan<T>(name: string, attributes: Attributes, fn: () => T): T {
  const active = activeStore();
  if (active instanceof RequestTrace && active.span === undefined) return fn();
  return tracer.startActiveSpan(name, { attributes }, (span) => runAndEnd(span, fn));
}

/**
 * Runs `fn` once on behalf of many requests (a group commit): its span is the child of the first sampled member and
 * links to the other sampled ones. With none sampled it is a plain call outside every request.
 */
export function withBatchSpan<T>(
  name: string,
  attributes: Attributes,
  members: readonly (RequestTrace | undefined)[],
  fn: () => T,
): T {
  const sampled = members.filter((member) => member?.span !== undefined) as RequestTrace[];
  const first = sampled[0];
  if (first === undefined) return runDetached(fn);
  const links = sampled.slice(1).map((member) => ({ context: (member.span as Span).spanContext() }));
  return tracer.startActiveSpan(name, { attributes, links }, first.context, (span) => runAndEnd(span, fn));
}

function runAndEnd<T>(span: Span, fn: () => T): T {
  let result: T;
  try {
    result = fn();
  } catch (error) {
    endFailed(span, error);
    throw error;
  }
  if (!isThenable(result)) {
    span.end();
    return result;
  }
  return result.then(
    (value) => {
      span.end();
      return value;
    },
    (error) => {
      endFailed(span, error);
      throw error;
    },
  ) as T;
}

const isThenable = (value: unknown): value is PromiseLike<unknown> =>
  typeof (value as { then?: unknown } | undefined | null)?.then === 'function';

export function endFailed(span: Span, error: unknown): void {
  span.setAttribute('error.type', errorType(error));
  span.setStatus({ code: SpanStatusCode.ERROR });
  span.end();
}

function errorType(error: unknown): string {
  if (!(error instanceof Error)) return typeof error;
  const code = (error as { code?: unknown }).code;
  return typeof code === 'string' ? code : error.name;
}
