import { randomUUID } from 'node:crypto';
import { createRequire } from 'node:module';
import { context, propagation } from '@opentelemetry/api';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import type { startExport } from './otel-export.ts';
import { requestContextManager, setSamplingRatio } from './trace-context.ts';

export type ServiceName = 'sallyport-api' | 'sallyport-worker' | 'sallyport-mcp';

export interface TelemetryOptions {
  serviceName: ServiceName;
  /** Release shown as `service.version`. */
  serviceVersion?: string;
  /** Automatic instrumentations, for workers; the API takes none (HTTP instrumentation halves its throughput). */
  instrumentations?: Parameters<typeof startExport>[0]['instrumentations'];
}

export interface Telemetry {
  /** Whether spans and metrics leave this process. */
  exportsSpans: boolean;
  exportsMetrics: boolean;
  /** Share of requests recorded, 0 to 1; 0 when nothing is exported. */
  samplingRatio: number;
  /** Settings that were not understood and what is done instead, to be logged once. */
  warnings: readonly string[];
  /** Sends what is buffered, for at most `timeoutMs` (3,000); what could not be sent is counted. Never rejects. */
  shutdown(timeoutMs?: number): Promise<'finished' | 'timed_out'>;
}

/**
 * Starts telemetry; the first import of a process must be a file that calls this, so that nothing is loaded before it.
 * Synchronous for that reason: an awaited import would not hold back its siblings.
 *
 * Reads `OTEL_EXPORTER_OTLP_ENDPOINT` (and the `_TRACES_`/`_METRICS_` forms), `OTEL_EXPORTER_OTLP_PROTOCOL`
 * (`http/protobuf`, `http/json`), `OTEL_TRACES_SAMPLER`, `OTEL_TRACES_SAMPLER_ARG`, `OTEL_BSP_*`,
 * `OTEL_METRIC_EXPORT_INTERVAL` in ms, `OTEL_RESOURCE_ATTRIBUTES`, `OTEL_SDK_DISABLED`. With no endpoint nothing is
 * loaded, recorded or sent; trace ids exist all the same.
 */
export function startTelemetry(options: TelemetryOptions): Telemetry {
  const warnings: string[] = [];
  const exportsSpans = hasEndpoint('TRACES', warnings);
  const exportsMetrics = hasEndpoint('METRICS', warnings);
  const samplingRatio = exportsSpans ? readSamplingRatio(warnings) : 0;
  setSamplingRatio(samplingRatio);
  if (!exportsSpans && !exportsMetrics) {
    context.setGlobalContextManager(requestContextManager);
    propagation.setGlobalPropagator(new W3CTraceContextPropagator());
    return { exportsSpans, exportsMetrics, samplingRatio, warnings, shutdown: async () => 'finished' };
  }
  const load = createRequire(import.meta.url);
  const exporting = load('./otel-export.ts') as { startExport: typeof startExport };
  const sdk = exporting.startExport({
    ...options,
    instanceId: randomUUID(),
    samplingRatio,
    protocol: readProtocol(warnings),
    exportsSpans,
    exportsMetrics,
  });
  return {
    exportsSpans,
    exportsMetrics,
    samplingRatio,
    warnings,
    shutdown: (timeoutMs = 3_000) => within(timeoutMs, sdk.shutdown()),
  };
}

function setting(name: string): string | undefined {
  const value = process.env[name]?.trim();
  return value === '' ? undefined : value;
}

function hasEndpoint(signal: 'TRACES' | 'METRICS', warnings: string[]): boolean {
  if (setting('OTEL_SDK_DISABLED')?.toLowerCase() === 'true') return false;
  const specific = `OTEL_EXPORTER_OTLP_${signal}_ENDPOINT`;
  const name = setting(specific) === undefined ? 'OTEL_EXPORTER_OTLP_ENDPOINT' : specific;
  const value = setting(name);
  if (value === undefined) return false;
  if (/^https?:\/\//.test(value) && URL.canParse(value)) return true;
  warnings.push(`${name} is not an http or https URL: ${signal.toLowerCase()} are not exported`);
  return false;
}

function readProtocol(warnings: string[]): 'http/protobuf' | 'http/json' {
  const value = setting('OTEL_EXPORTER_OTLP_PROTOCOL') ?? 'http/protobuf';
  if (value === 'http/protobuf' || value === 'http/json') return value;
  warnings.push('OTEL_EXPORTER_OTLP_PROTOCOL must be http/protobuf or http/json: http/protobuf is used');
  return 'http/protobuf';
}

const defaultRatio = 0.01;

/** Every sampler is parent-based inside the platform; at the edge a caller's flag never counts. */
function readSamplingRatio(warnings: string[]): number {
  const sampler = (setting('OTEL_TRACES_SAMPLER') ?? 'parentbased_traceidratio').replace(/^parentbased_/, '');
  if (sampler === 'always_on') return 1;
  if (sampler === 'always_off') return 0;
  if (sampler !== 'traceidratio') {
    warnings.push(`OTEL_TRACES_SAMPLER is not a known sampler: parentbased_traceidratio ${defaultRatio} is used`);
    return defaultRatio;
  }
  const argument = setting('OTEL_TRACES_SAMPLER_ARG');
  const ratio = argument === undefined ? defaultRatio : Number(argument);
  if (ratio >= 0 && ratio <= 1) return ratio;
  warnings.push(`OTEL_TRACES_SAMPLER_ARG must be a number from 0 to 1: ${defaultRatio} is used`);
  return defaultRatio;
}

async function within(timeoutMs: number, work: Promise<void>): Promise<'finished' | 'timed_out'> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<'timed_out'>((resolve) => {
    timer = setTimeout(() => resolve('timed_out'), timeoutMs);
  });
  const outcome = await Promise.race([work.then(() => 'finished' as const), timeout]);
  clearTimeout(timer);
  return outcome;
}
