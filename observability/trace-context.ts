import { AsyncLocalStorage } from 'node:async_hooks';
import { randomFillSync } from 'node:crypto';
import {
  type Context,
  type ContextManager,
  createContextKey,
  INVALID_SPANID,
  INVALID_TRACEID,
  ROOT_CONTEXT,
  type Span,
  TraceFlags,
  trace,
} from '@opentelemetry/api';

/** Marks the context in which the edge decided to sample, independent of the caller's flag. */
export const edgeSampledKey = createContextKey('sallyport edge sampled');

const requestTraceKey = createContextKey('sallyport request trace');

const POOL_BYTES = 8192;
const pool = Buffer.allocUnsafe(POOL_BYTES);
let poolHex = '';
let poolOffset = Number.POSITIVE_INFINITY;

/** Hexadecimal digits from the system's random source, drawn in bulk: one system call serves about 340 requests. */
function randomHex(digits: number): string {
  if (poolOffset + digits > poolHex.length) {
    randomFillSync(pool);
    poolHex = pool.toString('hex');
    poolOffset = 0;
  }
  const hex = poolHex.slice(poolOffset, poolOffset + digits);
  poolOffset += digits;
  return hex;
}

/** 32 lower-case hexadecimal digits, never all zero (W3C Trace Context §3.2.2.3). */
export function newTraceId(): string {
  const id = randomHex(32);
  return id === INVALID_TRACEID ? newTraceId() : id;
}

/** 16 lower-case hexadecimal digits, never all zero (W3C Trace Context §3.2.2.4). */
export function newSpanId(): string {
  const id = randomHex(16);
  return id === INVALID_SPANID ? newSpanId() : id;
}

/** The trace state of one request: always an id, and an OpenTelemetry span only when sampled. */
export class RequestTrace {
  readonly traceId: string;
  /** The recording span; undefined when this request is not sampled. */
  readonly span: Span | undefined;
  /** Set when this request writes security events, which are sealed soon after. */
  writesAudit = false;
  /** Milliseconds that it may still wait for PostgreSQL in all; undefined if only each statement has a limit. */
  storeMsLeft: number | undefined;
  #spanId: string | undefined;
  #context: Context | undefined;

  constructor(traceId: string, span: Span | undefined) {
    this.traceId = traceId;
    this.span = span;
  }

  /** Takes from the time for PostgreSQL what has passed since then, by `performance.now()`. */
  spendStoreTime(startedAt: number): void {
    if (this.storeMsLeft !== undefined) this.storeMsLeft -= performance.now() - startedAt;
  }

  get sampled(): boolean {
    return this.span !== undefined;
  }

  get spanId(): string {
    this.#spanId ??= this.span?.spanContext().spanId ?? newSpanId();
    return this.#spanId;
  }

  /** The OpenTelemetry context of this request, built on first use. */
  get context(): Context {
    this.#context ??= (
      this.span
        ? trace.setSpan(ROOT_CONTEXT, this.span)
        : trace.setSpanContext(ROOT_CONTEXT, {
            traceId: this.traceId,
            spanId: this.spanId,
            traceFlags: TraceFlags.NONE,
          })
    ).setValue(requestTraceKey, this);
    return this.#context;
  }
}

const store = new AsyncLocalStorage<RequestTrace | Context>();

/** What the current code runs for: a request, or the context of an open child span or job. */
export const activeStore = (): RequestTrace | Context | undefined => store.getStore();

/** The request that the current code runs for, also inside child spans. */
export function activeRequestTrace(): RequestTrace | undefined {
  const active = store.getStore();
  if (active === undefined || active instanceof RequestTrace) return active;
  return active.getValue(requestTraceKey) as RequestTrace | undefined;
}

/** Runs `fn`, and everything it starts, as part of `requestTrace`; with undefined, outside any request. */
export const runInStore = <T>(requestTrace: RequestTrace | undefined, fn: () => T): T =>
  requestTrace === undefined ? store.exit(fn) : store.run(requestTrace, fn);

/**
 * OpenTelemetry's context over the same storage, so that a request costs one `run` and an unsampled request
 * builds no Context unless a library needs one.
 */
export const requestContextManager: ContextManager = {
  active() {
    const active = store.getStore();
    if (active === undefined) return ROOT_CONTEXT;
    return active instanceof RequestTrace ? active.context : active;
  },
  with(context, fn, thisArg, ...args) {
    return store.run(context, () => fn.apply(thisArg as ThisParameterType<typeof fn>, args));
  },
  bind(context, target) {
    if (typeof target !== 'function') return target;
    const call = target as unknown as (...args: unknown[]) => unknown;
    return function bound(this: unknown, ...args: unknown[]) {
      return store.run(context, () => call.apply(this, args));
    } as unknown as typeof target;
  },
  enable() {
    return this;
  },
  disable() {
    return this;
  },
};

let sampleBelow = 0;

/** Sets the share of requests to record, 0 to 1. `startTelemetry` calls it. */
export function setSamplingRatio(ratio: number): void {
  sampleBelow = Math.min(1, Math.max(0, ratio));
}

/** Our own decision, independent of an id that the caller chose. */
export const drawSample = (): boolean => sampleBelow > 0 && (sampleBelow >= 1 || Math.random() < sampleBelow);
