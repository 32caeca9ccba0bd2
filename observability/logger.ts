import { isatty } from 'node:tty';
import { type DestinationStream, destination, type Logger, type LoggerOptions, pino, stdTimeFunctions } from 'pino';
import type { ErrorReportTags } from './error-report.ts';
import { currentTraceId } from './http-span.ts';
import { describeError, isError } from './log-errors.ts';
import { redactLine } from './log-redaction.ts';
import { droppedLogLines } from './metrics/telemetry.ts';
import { readableLine } from './readable-line.ts';

export type { Logger } from 'pino';

type CreateLoggerOptions = {
  /** Written as `service`, such as `sallyport-api`. */
  service: string;
  /** `fatal` to `trace`, or `silent`; `LOG_LEVEL`, else `info`. */
  level?: string;
  /** Called for every error logged at `error` or above, with the line's own `code`, `operation` and `job`. */
  onError?: (error: Error, tags: ErrorReportTags) => void;
  /** Whether a person reads the lines; by default if standard error is a terminal and no stream is given. */
  isForPeople?: boolean;
  /** Where lines are written; by default standard error, unbuffered and non-blocking. */
  stream?: DestinationStream;
};

const levels: ReadonlySet<string> = new Set(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']);
/** Beyond this many characters waiting for a reader, lines are dropped and counted. */
const PENDING_MAX = 1_048_576;

/**
 * A pino logger writing one JSON line an event (on a terminal a line that a person reads): level by name, ISO time, service, pid, and the trace id of the request
 * in progress. Secrets and personal data are removed from the finished line wherever they occur; of errors only
 * class, code and stack frames are written. An unknown `LOG_LEVEL` is treated as `info`.
 */
export function createLogger(options: CreateLoggerOptions): Logger {
  const level = options.level ?? process.env.LOG_LEVEL ?? 'info';
  const isForPeople = options.isForPeople ?? (options.stream === undefined && isatty(2));
  const settings: LoggerOptions = {
    level: levels.has(level) ? level : 'info',
    base: { service: options.service, pid: process.pid },
    timestamp: stdTimeFunctions.isoTime,
    formatters: {
      level: (label) => ({ level: label }),
      log: (fields) => describeErrors(fields, 0) as Record<string, unknown>,
    },
    serializers: {
      // The formatter has already described errors; pino's own serializer would write their messages.
      err: (value: unknown) => (isError(value) ? describeError(value) : value),
      req: (request: { method?: string; routeOptions?: { url?: string } }) => ({
        method: request.method,
        route: request.routeOptions?.url,
      }),
      res: (response: { statusCode?: number }) => ({ status: response.statusCode }),
    },
    mixin: () => {
      const traceId = currentTraceId();
      return traceId === undefined ? {} : { trace_id: traceId };
    },
    hooks: {
      logMethod(args, method, level) {
        if (level >= ERROR_LEVEL) reportError(args[0], options.onError);
        method.apply(this, withoutErrorMessages(args) as typeof args);
      },
      streamWrite: isForPeople ? (line) => readableLine(redactLine(line)) : redactLine,
    },
  };
  return pino(settings, options.stream ?? standardError());
}

const ERROR_LEVEL = 50;
const tagForm = /^[\w.-]{1,64}$/;

function reportError(first: unknown, onError: CreateLoggerOptions['onError']): void {
  if (onError === undefined) return;
  const fields = (isError(first) ? { err: first } : (first ?? {})) as Record<string, unknown>;
  if (!isError(fields.err)) return;
  const tags: ErrorReportTags = {};
  for (const name of ['code', 'operation', 'job'] as const) {
    const value = fields[name];
    if (typeof value === 'string' && tagForm.test(value)) tags[name] = value;
  }
  onError(fields.err, tags);
}

/** pino and Fastify use an error's message as the line's message and format errors into it; use the class name instead. */
function withoutErrorMessages(args: readonly unknown[]): unknown[] {
  const [first, ...values] = args.map((value, at) => (at > 0 && isError(value) ? value.name : value));
  const error = isError(first) ? first : (first as { err?: unknown } | null | undefined)?.err;
  if (!isError(error)) return [first, ...values];
  const ownMessage = isError(first) ? undefined : (first as { msg?: unknown }).msg;
  const [message, ...rest] = values;
  if (message !== undefined && message !== error.message) return [first, message, ...rest];
  return ownMessage === undefined ? [first, error.name] : [first];
}

const DEPTH_MAX = 6;

function describeErrors(value: unknown, depth: number): unknown {
  if (isError(value)) return describeError(value);
  if (typeof value !== 'object' || value === null || depth > DEPTH_MAX) return value;
  if (Array.isArray(value)) return value.map((item) => describeErrors(item, depth + 1));
  const prototype = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, describeErrors(field, depth + 1)]));
}

function standardError(): DestinationStream {
  const stream = destination({ fd: 2, sync: false, minLength: 0, maxLength: PENDING_MAX });
  stream.on('drop', () => droppedLogLines.add(1));
  // A closed standard error must not crash the process.
  stream.on('error', () => droppedLogLines.add(1));
  return stream;
}
