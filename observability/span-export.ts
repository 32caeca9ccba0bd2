import type { Context } from '@opentelemetry/api';
import { core } from '@opentelemetry/sdk-node';
import {
  BatchSpanProcessor,
  type ReadableSpan,
  type Span,
  type SpanExporter,
  type SpanProcessor,
} from '@opentelemetry/sdk-trace';
import { exportedSpans } from './metrics/telemetry.ts';

const exported = exportedSpans.at({ outcome: 'exported' });
const failed = exportedSpans.at({ outcome: 'failed' });
const dropped = exportedSpans.at({ outcome: 'dropped' });

type BoundedSpanProcessorOptions = {
  exporter: SpanExporter;
  /** Maximum of spans waiting and in flight together; further ones are dropped and counted. */
  maxPendingSpans: number;
  maxBatchSpans: number;
  scheduledDelayMs: number;
  exportTimeoutMs: number;
};

/**
 * Instrumentations record an error's message, which may quote a value (`invalid input syntax for type uuid: "…"`): of a
 * failed span only the status and `error.type` are exported, and no event.
 */
function withoutWords(span: ReadableSpan): ReadableSpan {
  if (span.status.message === undefined && span.events.length === 0) return span;
  return Object.create(span, { status: { value: { code: span.status.code } }, events: { value: [] } }) as ReadableSpan;
}

/**
 * A batch processor that counts the outcome of every sampled span and whose bound includes batches in flight.
 * The SDK's own queue bound does not, and it reports drops only to the diagnostic logger. Shutdown waits for
 * every span to be settled, so the caller must limit it.
 */
export function boundedSpanProcessor(options: BoundedSpanProcessorOptions): SpanProcessor {
  let pendingSpans = 0;
  let onIdle: (() => void) | undefined;
  const counting: SpanExporter = {
    export(spans: ReadableSpan[], done: (result: core.ExportResult) => void) {
      const settle = (result: core.ExportResult): void => {
        pendingSpans -= spans.length;
        (result.code === core.ExportResultCode.SUCCESS ? exported : failed).add(spans.length);
        done(result);
        if (pendingSpans === 0) onIdle?.();
      };
      try {
        options.exporter.export(spans.map(withoutWords), settle);
      } catch (error) {
        settle({ code: core.ExportResultCode.FAILED, error: error as Error });
      }
    },
    forceFlush: () => options.exporter.forceFlush?.() ?? Promise.resolve(),
    shutdown: () => options.exporter.shutdown(),
  };
  const batches = new BatchSpanProcessor({
    exporter: counting,
    maxQueueSize: options.maxPendingSpans,
    maxExportBatchSize: options.maxBatchSpans,
    scheduledDelayMillis: options.scheduledDelayMs,
    exportTimeoutMillis: options.exportTimeoutMs,
  });
  return {
    onStart: (span: Span, context: Context) => batches.onStart(span, context),
    onEnd(span: ReadableSpan) {
      if ((span.spanContext().traceFlags & 1) === 0) return;
      if (pendingSpans >= options.maxPendingSpans) {
        dropped.add(1);
        return;
      }
      pendingSpans += 1;
      batches.onEnd(span);
    },
    forceFlush: () => batches.forceFlush(),
    async shutdown() {
      await batches.forceFlush().catch(() => undefined);
      // The flush does not wait for a batch in flight, and a shutdown would abort that.
      if (pendingSpans > 0)
        await new Promise<void>((resolve) => {
          onIdle = resolve;
        });
      await batches.shutdown();
    },
  };
}
