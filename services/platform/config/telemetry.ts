import { defineSettings } from '../define/setting.ts';
import { optionalText } from './shapes.ts';

/**
 * Read by `observability/` before anything else is loaded, so that a mistake here is named in the log and never stops a
 * process; listed here for the reference.
 */
export const telemetrySettings = defineSettings({
  otlpEndpoint: {
    env: 'OTEL_EXPORTER_OTLP_ENDPOINT',
    schema: optionalText(),
    use: 'OTLP over HTTP: endpoint for spans and metrics; unset: none are exported. The other OTEL_EXPORTER_OTLP_* are read too.',
  },
  tracesSampler: {
    env: 'OTEL_TRACES_SAMPLER',
    schema: optionalText(64),
    use: 'parentbased_traceidratio unless set, or always_on, always_off. The sampling decision of a caller is ignored.',
  },
  tracesSamplerArgument: {
    env: 'OTEL_TRACES_SAMPLER_ARG',
    schema: optionalText(32),
    use: 'Share of requests traced, 0 to 1; 0.01 unless set.',
  },
  sentryDsn: {
    env: 'SENTRY_DSN',
    schema: optionalText(),
    use: 'Where errors are reported: class, code, frames and trace id, no request data; unset: nowhere.',
    secret: true,
    example: 'https://key@sentry.example/1',
  },
});
