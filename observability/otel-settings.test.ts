import { describe, expect, it } from 'vitest';
import { readTelemetrySettings } from './otel-settings.ts';

const endpoint = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1' };

describe('telemetry settings', () => {
  it('export and record nothing without an endpoint', () =>
    expect(readTelemetrySettings({ OTEL_EXPORTER_OTLP_ENDPOINT: ' ', OTEL_TRACES_SAMPLER: 'always_on' })).toEqual({
      exportsSpans: false,
      exportsMetrics: false,
      spanProtocol: 'http/protobuf',
      metricProtocol: 'http/protobuf',
      hasOtherPropagators: false,
      resourceDetectors: ['env'],
      samplingRatio: 0,
      warnings: [],
    }));

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
    [{ OTEL_EXPORTER_OTLP_PROTOCOL: 'http/xml' }, 0.01, ['OTEL_EXPORTER_OTLP_PROTOCOL']],
  ])('%j samples at %d and warns of %j', (env, samplingRatio, names) => {
    const settings = readTelemetrySettings({ ...endpoint, ...(env as Record<string, string>) });
    expect(settings).toMatchObject({ samplingRatio, spanProtocol: 'http/protobuf' });
    expect(settings.warnings.map((warning) => warning.split(' ')[0])).toEqual(names);
  });

  it.each([
    [{ OTEL_TRACES_EXPORTER: 'none' }, [false, true], []],
    [{ OTEL_METRICS_EXPORTER: 'none' }, [true, false], []],
    [{ OTEL_EXPORTER_OTLP_ENDPOINT: '', OTEL_TRACES_EXPORTER: 'otlp' }, [true, false], []],
    // What they would print or serve is not ours to send there.
    [{ OTEL_TRACES_EXPORTER: 'console' }, [true, true], ['OTEL_TRACES_EXPORTER']],
    [
      { OTEL_EXPORTER_OTLP_ENDPOINT: '', OTEL_METRICS_EXPORTER: 'prometheus' },
      [false, false],
      ['OTEL_METRICS_EXPORTER'],
    ],
  ])('%j exports spans and metrics %j and warns of %j', (env, exported, names) => {
    const { exportsSpans, exportsMetrics, warnings } = readTelemetrySettings({ ...endpoint, ...env });
    expect([exportsSpans, exportsMetrics]).toEqual(exported);
    expect(warnings.map((warning) => warning.split(' ')[0])).toEqual(names);
  });

  it('the protocol of a signal comes before that of both', () => {
    const both = { ...endpoint, OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' };
    expect(readTelemetrySettings(both)).toMatchObject({ spanProtocol: 'grpc', metricProtocol: 'grpc' });
    expect(readTelemetrySettings({ ...both, OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: 'http/json' })).toMatchObject({
      spanProtocol: 'http/json',
      metricProtocol: 'grpc',
    });
  });

  it.each([
    ['tracecontext, baggage', false, 0],
    ['tracecontext,b3', true, 0],
    ['none', true, 0],
    ['xray', false, 1],
  ])('OTEL_PROPAGATORS=%s reads other headers than traceparent: %j, with %d warnings', (value, other, warned) => {
    const settings = readTelemetrySettings({ ...endpoint, OTEL_PROPAGATORS: value });
    expect([settings.hasOtherPropagators, settings.warnings.length]).toEqual([other, warned]);
  });

  it.each([
    ['', ['env'], 0],
    ['none', [], 0],
    ['all', ['env', 'host', 'os'], 0],
    // The command line of a process may hold a secret.
    ['os,process', ['os'], 1],
  ])('OTEL_NODE_RESOURCE_DETECTORS=%s detects %j, with %d warnings', (value, detected, warned) => {
    const settings = readTelemetrySettings({ ...endpoint, OTEL_NODE_RESOURCE_DETECTORS: value });
    expect([settings.resourceDetectors, settings.warnings.length]).toEqual([detected, warned]);
  });
});
