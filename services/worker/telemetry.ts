// Imported first: what loads after it is measured from its first line.
import { startTelemetry } from '../../observability/otel.ts';

export const telemetry = startTelemetry({ serviceName: 'sallyport-worker' });
