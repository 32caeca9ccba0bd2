import { randomUUID } from 'node:crypto';
import { createRequire } from 'node:module';
import { context } from '@opentelemetry/api';
import type { startExport } from './otel-export.ts';
import { readTelemetrySettings, type TelemetrySettings } from './otel-settings.ts';
import { requestContextManager, setSamplingRatio } from './trace-context.ts';

type ServiceName = 'sallyport-api' | 'sallyport-worker' | 'sallyport-mcp';

type TelemetryOptions = {
  serviceName: ServiceName;
  /** Release, exported as `service.version`. */
  serviceVersion?: string;
  /** Whether the libraries' statements and Redis commands get spans too: for workers. */
  storeSpans?: boolean;
};

export type Telemetry = TelemetrySettings & {
  /** Sends buffered telemetry, for at most `timeoutMs` (3,000), and counts what could not be sent. Never rejects. */
  shutdown(timeoutMs?: number): Promise<'finished' | 'timed_out'>;
};

/** Loads the SDK, which takes half a second of start-up, only in a process that exports. */
const loadExport = (): { startExport: typeof startExport } => createRequire(import.meta.url)('./otel-export.ts');

/**
 * Starts telemetry. The first import of a process must be a file that calls this, so that nothing is loaded before it.
 * It is synchronous for that reason: an awaited import would not delay its siblings.
 *
 * Reads the standard variables (`otel-settings.ts`); the SDK and its exporters read the others, such as headers. With
 * nothing to export nothing of the SDK is loaded, recorded or sent; trace ids still exist.
 */
export function startTelemetry(options: TelemetryOptions, load = loadExport): Telemetry {
  const settings = readTelemetrySettings(process.env);
  setSamplingRatio(settings.samplingRatio);
  if (!settings.exportsSpans && !settings.exportsMetrics) {
    context.setGlobalContextManager(requestContextManager);
    return { ...settings, shutdown: async () => 'finished' };
  }
  const sdk = load().startExport({ ...options, ...settings, instanceId: randomUUID() });
  return { ...settings, shutdown: (timeoutMs = 3_000) => within(timeoutMs, sdk.shutdown()) };
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
