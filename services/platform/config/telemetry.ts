import { defineSettings } from '../define/setting.ts';
import { optionalText } from './shapes.ts';

/**
 * `observability/` reads these before anything else is loaded. A mistake in them is logged and never stops a process.
 * They are listed here for the reference.
 */
export const telemetrySettings = defineSettings({
  otlpEndpoint: {
    env: 'OTEL_EXPORTER_OTLP_ENDPOINT',
    schema: optionalText(),
    use: 'Endpoint to which spans and metrics are exported by OTLP; unset: nothing is exported. The other OTEL_EXPORTER_OTLP_* variables are read too.',
  },
  otlpProtocol: {
    env: 'OTEL_EXPORTER_OTLP_PROTOCOL',
    schema: optionalText(32),
    use: 'Protocol of that endpoint: http/protobuf, http/json or grpc. Unset: http/protobuf.',
  },
  propagators: {
    env: 'OTEL_PROPAGATORS',
    schema: optionalText(64),
    use: 'Headers in which callers name their trace, where spans or metrics are exported: tracecontext, b3, b3multi, jaeger or none, separated by commas. Unset: tracecontext.',
  },
  tracesSampler: {
    env: 'OTEL_TRACES_SAMPLER',
    schema: optionalText(64),
    use: 'Sampler of traces: always_on, always_off or parentbased_traceidratio. Unset: parentbased_traceidratio. The sampling decision of a caller is ignored.',
  },
  tracesSamplerArgument: {
    env: 'OTEL_TRACES_SAMPLER_ARG',
    schema: optionalText(32),
    use: 'Share of requests that are traced, 0 to 1. Unset: 0.01.',
  },
  sentryDsn: {
    env: 'SENTRY_DSN',
    schema: optionalText(),
    use: 'Sentry DSN to which errors are reported with class, code, stack frames and trace id, and without request data. Unset: errors are not reported.',
    secret: true,
    example: 'https://key@sentry.example/1',
  },
});
