import { describe, expect, it } from 'vitest';
import { readTelemetrySettings } from './otel-settings.ts';

const endpoint = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1' };

describe('telemetry settings', () => {
  it('export and record nothing without an endpoint', () => {
    expect(readTelemetrySettings({ OTEL_EXPORTER_OTLP_ENDPOINT: ' ', OTEL_TRACES_SAMPLER: 'always_on' })).toEqual({
      exportsSpans: false,
      exportsMetrics: false,
      protocol: 'http/protobuf',
      samplingRatio: 0,
      warnings: [],
    });
  });

  it('export one signal when only its endpoint is given', () => {
    const settings = readTelemetrySettings({ OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: 'https://c/v1/metrics' });
    expect(settings).toMatchObject({ exportsSpans: false, exportsMetrics: true, samplingRatio: 0 });
  });

  it.each([
    [{ OTEL_EXPORTER_OTLP_ENDPOINT: 'collector:4318' }, 'OTEL_EXPORTER_OTLP_ENDPOINT'],
    [{ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://' }, 'OTEL_EXPORTER_OTLP_ENDPOINT'],
    [{ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'grpc://c:4317' }, 'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT'],
  ])('%j exports nothing and names the variable without repeating its value', (env, name) => {
    const settings = readTelemetrySettings(env);
    expect(settings).toMatchObject({ exportsSpans: false, exportsMetrics: false });
    expect(settings.warnings[0]).toMatch(new RegExp(`^${name} `));
    expect(settings.warnings.join()).not.toContain(`${Object.values(env)[0]} `);
  });

  it('OTEL_SDK_DISABLED turns everything off', () => {
    const settings = readTelemetrySettings({ ...endpoint, OTEL_SDK_DISABLED: 'TRUE' });
    expect(settings).toMatchObject({ exportsSpans: false, exportsMetrics: false, warnings: [] });
  });

  it.each([
    [{}, 0.01, []],
    [{ OTEL_TRACES_SAMPLER: 'parentbased_always_on' }, 1, []],
    [{ OTEL_TRACES_SAMPLER: 'always_off' }, 0, []],
    [{ OTEL_TRACES_SAMPLER: 'traceidratio', OTEL_TRACES_SAMPLER_ARG: '0.25' }, 0.25, []],
    [{ OTEL_TRACES_SAMPLER: 'jaeger_remote' }, 0.01, ['OTEL_TRACES_SAMPLER']],
    [{ OTEL_TRACES_SAMPLER_ARG: '5' }, 0.01, ['OTEL_TRACES_SAMPLER_ARG']],
    [{ OTEL_TRACES_SAMPLER_ARG: '-1' }, 0.01, ['OTEL_TRACES_SAMPLER_ARG']],
    [{ OTEL_TRACES_SAMPLER_ARG: 'half' }, 0.01, ['OTEL_TRACES_SAMPLER_ARG']],
    [{ OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' }, 0.01, ['OTEL_EXPORTER_OTLP_PROTOCOL']],
  ])('%j samples at %d and warns of %j', (env, samplingRatio, names) => {
    const settings = readTelemetrySettings({ ...endpoint, ...(env as Record<string, string>) });
    expect(settings).toMatchObject({ samplingRatio, protocol: 'http/protobuf' });
    expect(settings.warnings.map((warning) => warning.split(' ')[0])).toEqual(names);
  });

  it('http/json is understood', () => {
    expect(readTelemetrySettings({ ...endpoint, OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json' }).protocol).toBe('http/json');
  });
});
