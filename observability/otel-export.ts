import { createRequire } from 'node:module';
import { hostname } from 'node:os';
import { context, metrics, propagation, trace } from '@opentelemetry/api';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import { OTLPMetricExporter as JsonMetricExporter } from '@opentelemetry/exporter-metrics-otlp-http';
import { OTLPMetricExporter as ProtobufMetricExporter } from '@opentelemetry/exporter-metrics-otlp-proto';
import { OTLPTraceExporter as JsonTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { OTLPTraceExporter as ProtobufTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import { registerInstrumentations } from '@opentelemetry/instrumentation';
import { detectResources, envDetector, resourceFromAttributes } from '@opentelemetry/resources';
import { MeterProvider, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics';
import { type SpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace';
import {
  ATTR_SERVICE_INSTANCE_ID,
  ATTR_SERVICE_NAME,
  ATTR_SERVICE_NAMESPACE,
  ATTR_SERVICE_VERSION,
} from '@opentelemetry/semantic-conventions';
import { metricProducer } from './metrics/otlp-producer.ts';
import { edgeSampler } from './sampling.ts';
import { boundedSpanProcessor } from './span-export.ts';
import type { storeInstrumentations } from './store-spans.ts';
import { requestContextManager } from './trace-context.ts';

export type ExportOptions = {
  serviceName: string;
  serviceVersion?: string;
  instanceId: string;
  storeSpans?: boolean;
  samplingRatio: number;
  protocol: 'http/protobuf' | 'http/json';
  exportsSpans: boolean;
  exportsMetrics: boolean;
};

/** Loads and starts the SDK with its exporters. Only `startTelemetry` calls it, and only when there is an endpoint. */
export function startExport(options: ExportOptions): { shutdown(): Promise<void> } {
  const spanProcessors = options.exportsSpans ? [spanProcessor(options.protocol)] : [];
  const metricReaders = options.exportsMetrics ? [metricReader(options.protocol)] : [];
  const own = resourceFromAttributes({
    [ATTR_SERVICE_NAMESPACE]: 'sallyport',
    [ATTR_SERVICE_INSTANCE_ID]: options.instanceId,
    'host.name': hostname(),
    ...(options.serviceVersion === undefined ? {} : { [ATTR_SERVICE_VERSION]: options.serviceVersion }),
  });
  const resource = own
    // Without the process detector, which sends the command line, and that may contain secrets.
    .merge(detectResources({ detectors: [envDetector] }))
    .merge(resourceFromAttributes({ [ATTR_SERVICE_NAME]: options.serviceName }));
  registerInstrumentations({
    instrumentations: options.storeSpans === true && options.exportsSpans ? loadStoreSpans() : [],
  });
  context.setGlobalContextManager(requestContextManager.enable());
  // Trace context only: baggage would be untrusted.
  propagation.setGlobalPropagator(new W3CTraceContextPropagator());
  if (metricReaders.length > 0) metrics.setGlobalMeterProvider(new MeterProvider({ resource, readers: metricReaders }));
  if (spanProcessors.length > 0)
    trace.setGlobalTracerProvider(
      new TracerProvider({ sampler: edgeSampler(options.samplingRatio), resource, spanProcessors }),
    );
  return {
    // Each by itself: one that fails must not end the other signal's last batch.
    async shutdown() {
      await Promise.allSettled([...spanProcessors, ...metricReaders].map((each) => each.shutdown()));
    },
  };
}

/** Loaded only when used. */
function loadStoreSpans(): ReturnType<typeof storeInstrumentations> {
  const load = createRequire(import.meta.url)('./store-spans.ts') as {
    storeInstrumentations: typeof storeInstrumentations;
  };
  return load.storeInstrumentations();
}

function spanProcessor(protocol: ExportOptions['protocol']): SpanProcessor {
  const maxPendingSpans = positiveInteger('OTEL_BSP_MAX_QUEUE_SIZE', 4_096);
  return boundedSpanProcessor({
    exporter: protocol === 'http/json' ? new JsonTraceExporter() : new ProtobufTraceExporter(),
    maxPendingSpans,
    maxBatchSpans: Math.min(maxPendingSpans, positiveInteger('OTEL_BSP_MAX_EXPORT_BATCH_SIZE', 512)),
    scheduledDelayMs: positiveInteger('OTEL_BSP_SCHEDULE_DELAY', 2_000),
    exportTimeoutMs: positiveInteger('OTEL_BSP_EXPORT_TIMEOUT', 10_000),
  });
}

function metricReader(protocol: ExportOptions['protocol']): PeriodicExportingMetricReader {
  const exportIntervalMillis = positiveInteger('OTEL_METRIC_EXPORT_INTERVAL', 15_000);
  const exportTimeoutMillis = positiveInteger('OTEL_METRIC_EXPORT_TIMEOUT', 10_000);
  return new PeriodicExportingMetricReader({
    exporter: protocol === 'http/json' ? new JsonMetricExporter() : new ProtobufMetricExporter(),
    exportIntervalMillis,
    exportTimeoutMillis: Math.min(exportTimeoutMillis, exportIntervalMillis),
    metricProducers: [metricProducer],
  });
}

function positiveInteger(name: string, otherwise: number): number {
  const value = Number(process.env[name]);
  return Number.isInteger(value) && value > 0 ? value : otherwise;
}
