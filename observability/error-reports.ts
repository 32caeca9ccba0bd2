import { createRequire } from 'node:module';
import type { ErrorReportOptions, ErrorReports } from './error-report.ts';
import type { startSentry } from './sentry.ts';

const off = (warnings: readonly string[]): ErrorReports => ({
  isOn: false,
  warnings,
  report: () => undefined,
  close: async () => undefined,
});

/** Loads Sentry's client, which takes half a second of start-up, only in a process that reports. */
const loadSentry = (): { startSentry: typeof startSentry } => createRequire(import.meta.url)('./sentry.ts');

/**
 * Error reports to Sentry. Without `SENTRY_DSN` they are off and nothing is loaded. A report holds class, code and stack frames
 * of an error, the tags above and the trace id: no message, request, header, cookie, token or user.
 */
export function startErrorReports(options: ErrorReportOptions, load = loadSentry): ErrorReports {
  const dsn = process.env.SENTRY_DSN?.trim();
  if (!dsn) return off([]);
  if (!/^https?:\/\/[^\s/@]+@[^\s/]+\/(?:[^\s/]+\/)*\d+$/.test(dsn))
    return off(['SENTRY_DSN is not of the form https://<key>@<host>/<project>: errors are not reported']);
  return { isOn: true, warnings: [], ...load().startSentry({ ...options, dsn }) };
}
