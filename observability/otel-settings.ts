type Environment = Readonly<Record<string, string | undefined>>;

export type TelemetrySettings = {
  /** Whether this process exports spans and metrics. */
  exportsSpans: boolean;
  exportsMetrics: boolean;
  protocol: 'http/protobuf' | 'http/json';
  /** Share of requests recorded, 0 to 1; 0 when no spans are exported. */
  samplingRatio: number;
  /** Invalid settings and what is used instead, to be logged once. Values are not repeated. */
  warnings: readonly string[];
};

/** Reads the standard `OTEL_*` variables. An invalid value never stops a process; it is reported in `warnings`. */
export function readTelemetrySettings(env: Environment): TelemetrySettings {
  const warnings: string[] = [];
  const exportsSpans = hasEndpoint(env, 'TRACES', warnings);
  const exportsMetrics = hasEndpoint(env, 'METRICS', warnings);
  const samplingRatio = exportsSpans ? readSamplingRatio(env, warnings) : 0;
  const protocol = readProtocol(env, warnings);
  return { exportsSpans, exportsMetrics, protocol, samplingRatio, warnings: [...new Set(warnings)] };
}

function setting(env: Environment, name: string): string | undefined {
  const value = env[name]?.trim();
  return value === '' ? undefined : value;
}

function hasEndpoint(env: Environment, signal: 'TRACES' | 'METRICS', warnings: string[]): boolean {
  if (setting(env, 'OTEL_SDK_DISABLED')?.toLowerCase() === 'true') return false;
  const specific = `OTEL_EXPORTER_OTLP_${signal}_ENDPOINT`;
  const name = setting(env, specific) === undefined ? 'OTEL_EXPORTER_OTLP_ENDPOINT' : specific;
  const value = setting(env, name);
  if (value === undefined) return false;
  if (/^https?:\/\//.test(value) && URL.canParse(value)) return true;
  warnings.push(`${name} is not an http or https URL: ${signal.toLowerCase()} are not exported`);
  return false;
}

function readProtocol(env: Environment, warnings: string[]): 'http/protobuf' | 'http/json' {
  const value = setting(env, 'OTEL_EXPORTER_OTLP_PROTOCOL') ?? 'http/protobuf';
  if (value === 'http/protobuf' || value === 'http/json') return value;
  warnings.push('OTEL_EXPORTER_OTLP_PROTOCOL must be http/protobuf or http/json: http/protobuf is used');
  return 'http/protobuf';
}

const DEFAULT_RATIO = 0.01;

/** Every sampler is parent-based inside the platform; at the edge a caller's flag is ignored. */
function readSamplingRatio(env: Environment, warnings: string[]): number {
  const sampler = (setting(env, 'OTEL_TRACES_SAMPLER') ?? 'parentbased_traceidratio').replace(/^parentbased_/, '');
  if (sampler === 'always_on') return 1;
  if (sampler === 'always_off') return 0;
  if (sampler !== 'traceidratio') {
    warnings.push(`OTEL_TRACES_SAMPLER is not a known sampler: parentbased_traceidratio ${DEFAULT_RATIO} is used`);
    return DEFAULT_RATIO;
  }
  const argument = setting(env, 'OTEL_TRACES_SAMPLER_ARG');
  const ratio = argument === undefined ? DEFAULT_RATIO : Number(argument);
  if (ratio >= 0 && ratio <= 1) return ratio;
  warnings.push(`OTEL_TRACES_SAMPLER_ARG must be a number from 0 to 1: ${DEFAULT_RATIO} is used`);
  return DEFAULT_RATIO;
}
