import { relative, resolve } from 'node:path';
import { defaultStackParser, type ErrorEvent, initWithoutDefaultIntegrations, Scope } from '@sentry/node';
import type { ErrorReportOptions, ErrorReports, ErrorReportTags } from './error-report.ts';
import { currentTraceparent } from './http-span.ts';
import { describeError, type ErrorDescription } from './log-errors.ts';
import { errorReports } from './metrics/telemetry.ts';
import { sentryTransport } from './sentry-transport.ts';

const root = resolve(import.meta.dirname, '..');

/** The same defect is reported once in this time; the next report has the number of others. */
const QUIET_MS = 10_000;
const FINGERPRINTS_MAX = 200;

const reported = errorReports.at({ outcome: 'reported' });
const failed = errorReports.at({ outcome: 'failed' });
const dropped = errorReports.at({ outcome: 'dropped' });
const repeated = errorReports.at({ outcome: 'repeated' });

type SentryFrame = NonNullable<NonNullable<ErrorException['stacktrace']>['frames']>[number];
type ErrorException = NonNullable<NonNullable<ErrorEvent['exception']>['values']>[number];

/** Frames in Sentry's order, oldest first, with paths from the repository's root. */
function framesOf(description: ErrorDescription): SentryFrame[] {
  const parsed = defaultStackParser(['Error', ...(description.stack ?? []).map((frame) => `    ${frame}`)].join('\n'));
  return parsed.map(({ filename, function: name, lineno, colno, in_app }) => {
    const frame: SentryFrame = {};
    if (filename !== undefined) frame.filename = pathOf(filename);
    if (name !== undefined) frame.function = name;
    if (lineno !== undefined) frame.lineno = lineno;
    if (colno !== undefined) frame.colno = colno;
    if (in_app !== undefined) frame.in_app = in_app;
    return frame;
  });
}

function pathOf(filename: string): string {
  const path = filename.replace(/^file:\/\//, '');
  return path.startsWith('/') ? relative(root, path) : path;
}

/** An error and its causes, innermost first as Sentry expects; with a message only if its class is marked safe. */
function exceptionsOf(description: ErrorDescription): ErrorException[] {
  const own: ErrorException = {
    type: description.type,
    value: String(description.message ?? description.code ?? description.type),
    stacktrace: { frames: framesOf(description) },
  };
  return [...(description.cause === undefined ? [] : exceptionsOf(description.cause)), own];
}

const traceOf = (traceparent: string) => ({ trace_id: traceparent.slice(3, 35), span_id: traceparent.slice(36, 52) });

/** Sends only the listed fields of the SDK's event. */
function onlyOurs(event: ErrorEvent): ErrorEvent {
  const kept: ErrorEvent = { type: undefined };
  for (const name of [
    'event_id',
    'timestamp',
    'level',
    'platform',
    'release',
    'environment',
    'exception',
    'tags',
  ] as const)
    if (event[name] !== undefined) Object.assign(kept, { [name]: event[name] });
  // Without ours the SDK would invent a trace id that exists nowhere.
  const traceparent = currentTraceparent();
  if (traceparent !== undefined) kept.contexts = { trace: traceOf(traceparent) };
  return kept;
}

/**
 * Starts Sentry's SDK. Only `startErrorReports` calls it. Nothing is patched or observed: no integration, no loader that
 * instruments modules, no second tracer. What the SDK would take from `SENTRY_*` otherwise is set here.
 */
export function startSentry(options: ErrorReportOptions & { dsn: string }): Pick<ErrorReports, 'report' | 'close'> {
  const client = initWithoutDefaultIntegrations({
    dsn: options.dsn,
    integrations: [],
    enableOpenTelemetrySetup: false,
    enableRuntimeChannelInjection: false,
    includeServerName: false,
    sendClientReports: false,
    spotlight: false,
    debug: false,
    // By default the SDK's transport holds 64; a report beyond the limit is dropped and counted.
    transportOptions: { bufferSize: 32 },
    transport: (transport) => sentryTransport({ ...transport, recordDroppedEvent: () => dropped.add(1) }),
    beforeSend: onlyOurs,
    ...(options.serviceVersion === undefined ? {} : { release: options.serviceVersion }),
    environment: process.env.SALLYPORT_PROFILE ?? 'development',
  });
  if (client === undefined) throw new Error('Sentry does not start in this thread');
  client.on('afterSendEvent', (_event, answer) => {
    const { statusCode } = answer;
    if (statusCode === undefined) return;
    (statusCode < 300 ? reported : failed).add(1);
  });
  const quiet = new Map<string, { until: number; likeIt: number }>();

  const report = (error: Error, tags: ErrorReportTags): void => {
    try {
      const description = describeError(error);
      const key = [description.type, description.code, tags.code, description.stack?.[0]].join('\n');
      const state = quiet.get(key);
      if (state !== undefined && performance.now() < state.until) {
        state.likeIt += 1;
        repeated.add(1);
        return;
      }
      if (quiet.size >= FINGERPRINTS_MAX) quiet.clear();
      quiet.set(key, { until: performance.now() + QUIET_MS, likeIt: 0 });
      const scope = new Scope();
      client.captureEvent(
        {
          level: 'error',
          exception: { values: exceptionsOf(description) },
          tags: { service: options.serviceName, ...tags, ...(state?.likeIt ? { like_it: state.likeIt } : {}) },
        },
        undefined,
        scope,
      );
    } catch {
      dropped.add(1);
    }
  };
  return {
    report,
    close: async (timeoutMs = 2_000) => {
      await Promise.resolve(client.close(timeoutMs)).catch(() => false);
    },
  };
}
