// Imported first: everything loaded after it is measured from its first line.
import { startErrorReports } from '#observability/error-reports.ts';
import { startTelemetry } from '#observability/otel.ts';
import { version } from '#observability/version.ts';

const about = { serviceName: 'sallyport-mcp', serviceVersion: version } as const;

export const telemetry = startTelemetry(about);
export const errorReports = startErrorReports(about);
