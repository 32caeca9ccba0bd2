// Imported first: what loads after it is measured from its first line.
import { isMainThread } from 'node:worker_threads';
import { startErrorReports } from '#observability/error-reports.ts';
import { startTelemetry } from '#observability/otel.ts';
import { version } from '#observability/version.ts';

const about = { serviceName: 'sallyport-api', serviceVersion: version } as const;

export const telemetry = startTelemetry({ ...about, metrics: isMainThread });
export const errorReports = startErrorReports(about);
