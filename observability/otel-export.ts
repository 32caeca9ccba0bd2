import { createRequire } from 'node:module';
import { hostname } from 'node:os';
import { isSpanContextValid, propagation, ROOT_CONTEXT, trace } from '@opentelemetry/api';
import { OTLPMetricExporter as GrpcMetricExporter } from '@opentelemetry/exporter-metrics-otlp-grpc';
import { OTLPMetricExporter as JsonMetricExporter } from '@opentelemetry/exporter-metrics-otlp-http';
import { OTLPMetricExporter as ProtobufMetricExporter } from '@opentelemetry/exporter-metrics-otlp-proto';
import { OTLPTraceExporter as GrpcTraceExporter } from '@opentelemetry/exporter-trace-otlp-grpc';
import { OTLPTraceExporter as JsonTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { OTLPTraceExporter as ProtobufTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import { metrics, NodeSDK, resources } from '@opentelemetry/sdk-node';
import type { SpanProcessor } from '@opentelemetry/sdk-trace';
import { readParentBy } from './http-span.ts';
import { metricProducer } from './metrics/otlp-producer.ts';
import type { Protocol, TelemetrySettings } from './otel-settings.ts';
import { edgeSampler } from './sampling.ts';
import { boundedSpanProcessor } from './span-export.ts';
import type { traceStoreCalls } from './store-spans.ts';
import { requestContextManager } from './trace-context.ts';

export type ExportOptions = Omit<TelemetrySettings, 'warnings'> & {
  serviceName: string;
  serviceVersion?: string;
  instanceId: string;
  storeSpans?: boolean;
};

const SPAN_EXPORTERS = {
  grpc: GrpcTraceExporter,
  'http/json': JsonTraceExporter,
  'http/protobuf': ProtobufTraceExporter,
};
const METRIC_EXPORTERS = {
  grpc: GrpcMetricExporter,
  'http/json': JsonMetricExporter,
  'http/protobuf': ProtobufMetricExporter,
};
const DETECTORS = { env: resources.envDetector, host: resources.hostDetector, os: resources.osDetector };

/** Loads and starts the SDK with its exporters. Only `startTelemetry` calls it, and only if something is exported. */
export function startExport(options: ExportOptions): { shutdown(): Promise<void> } {
  const spanProcessors = options.exportsSpans ? [spanProcessor(options.spanProtocol)] : [];
  const metricReaders = options.exportsMetrics ? [metricReader(options.metricProtocol)] : [];
  // With it the SDK writes lines of its own between those of the log.
  delete process.env.OTEL_LOG_LEVEL;
  const sdk = new NodeSDK({
    serviceName: options.serviceName,
    resource: resources.resourceFromAttributes({
      'service.namespace': 'sallyport',
      'service.instance.id': options.instanceId,
      'host.name': hostname(),
      ...(options.serviceVersion === undefined ? {} : { 'service.version': options.serviceVersion }),
    }),
    resourceDetectors: options.resourceDetectors.map((name) => DETECTORS[name]),
    contextManager: requestContextManager,
    sampler: edgeSampler(options.samplingRatio),
    spanProcessors,
    metricReaders,
    // An empty list, because without one the SDK sends logs.
    logRecordProcessors: [],
  });
  // Before there is a meter, which would count statements once more.
  if (options.storeSpans === true && options.exportsSpans) loadStoreSpans();
  sdk.start();
  if (options.hasOtherPropagators) readParentBy(parentByPropagators);
  return {
    // Each by itself: one that fails must not end the other signal's last batch.
    async shutdown() {
      await Promise.allSettled([...spanProcessors, ...metricReaders].map((each) => each.shutdown()));
    },
  };
}

/** The caller's span as a `traceparent`, by the propagators of OTEL_PROPAGATORS. Whatever else they read is dropped. */
function parentByPropagators(headers: Readonly<Record<string, unknown>>): string | undefined {
  const found = trace.getSpanContext(propagation.extract(ROOT_CONTEXT, headers));
  return found && isSpanContextValid(found) ? `00-${found.traceId}-${found.spanId}-00` : undefined;
}

/** Loaded only when used. */
function loadStoreSpans(): void {
  const load = createRequire(import.meta.url)('./store-spans.ts') as { traceStoreCalls: typeof traceStoreCalls };
  load.traceStoreCalls();
}

function spanProcessor(protocol: Protocol): SpanProcessor {
  const maxPendingSpans = positiveInteger('OTEL_BSP_MAX_QUEUE_SIZE', 4_096);
  return boundedSpanProcessor({
    exporter: new SPAN_EXPORTERS[protocol](),
    maxPendingSpans,
    maxBatchSpans: Math.min(maxPendingSpans, positiveInteger('OTEL_BSP_MAX_EXPORT_BATCH_SIZE', 512)),
    scheduledDelayMs: positiveInteger('OTEL_BSP_SCHEDULE_DELAY', 2_000),
    exportTimeoutMs: positiveInteger('OTEL_BSP_EXPORT_TIMEOUT', 10_000),
  });
}

function metricReader(protocol: Protocol): metrics.PeriodicExportingMetricReader {
  const exportIntervalMillis = positiveInteger('OTEL_METRIC_EXPORT_INTERVAL', 15_000);
  const exportTimeoutMillis = positiveInteger('OTEL_METRIC_EXPORT_TIMEOUT', 10_000);
  return new metrics.PeriodicExportingMetricReader({
    exporter: new METRIC_EXPORTERS[protocol](),
    exportIntervalMillis,
    exportTimeoutMillis: Math.min(exportTimeoutMillis, exportIntervalMillis),
    metricProducers: [metricProducer],
  });
}

function positiveInteger(name: string, otherwise: number): number {
  const value = Number(process.env[name]);
  return Number.isInteger(value) && value > 0 ? value : otherwise;
}
