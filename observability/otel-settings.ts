type Environment = Readonly<Record<string, string | undefined>>;
type Signal = 'TRACES' | 'METRICS';

const PROTOCOLS = ['http/protobuf', 'http/json', 'grpc'] as const;
export type Protocol = (typeof PROTOCOLS)[number];

/** Not `process`, which sends the command line, and that may contain secrets. */
const RESOURCE_DETECTORS = ['env', 'host', 'os'] as const;
type ResourceDetector = (typeof RESOURCE_DETECTORS)[number];

/** What the SDK knows. Nothing reads the baggage that it would pass on. */
const PROPAGATORS = ['tracecontext', 'baggage', 'b3', 'b3multi', 'jaeger', 'none'];

export type TelemetrySettings = {
  /** Whether this process exports spans and metrics. */
  exportsSpans: boolean;
  exportsMetrics: boolean;
  spanProtocol: Protocol;
  metricProtocol: Protocol;
  /** Whether a caller's trace comes in other headers than `traceparent`, or in none. */
  hasOtherPropagators: boolean;
  resourceDetectors: readonly ResourceDetector[];
  /** Share of requests recorded, 0 to 1; 0 when no spans are exported. */
  samplingRatio: number;
  /** Invalid settings and what is used instead, to be logged once. Values are not repeated. */
  warnings: readonly string[];
};

/** Reads the standard `OTEL_*` variables. An invalid value never stops a process; it is reported in `warnings`. */
export function readTelemetrySettings(env: Environment): TelemetrySettings {
  const warnings: string[] = [];
  const exportsSpans = isExported(env, 'TRACES', warnings);
  const exportsMetrics = isExported(env, 'METRICS', warnings);
  const samplingRatio = exportsSpans ? readSamplingRatio(env, warnings) : 0;
  return {
    exportsSpans,
    exportsMetrics,
    spanProtocol: readProtocol(env, 'TRACES', warnings),
    metricProtocol: readProtocol(env, 'METRICS', warnings),
    hasOtherPropagators: readList(env, 'OTEL_PROPAGATORS', PROPAGATORS, warnings).some(
      (name) => name !== 'tracecontext' && name !== 'baggage',
    ),
    resourceDetectors: readDetectors(env, warnings),
    samplingRatio,
    warnings: [...new Set(warnings)],
  };
}

function setting(env: Environment, name: string): string | undefined {
  const value = env[name]?.trim();
  return value === '' ? undefined : value;
}

/** The form for one signal comes before the general one. */
function ofSignal(env: Environment, signal: Signal, form: string): readonly [name: string, value: string | undefined] {
  const specific = `OTEL_EXPORTER_OTLP_${signal}_${form}`;
  const name = setting(env, specific) === undefined ? `OTEL_EXPORTER_OTLP_${form}` : specific;
  return [name, setting(env, name)];
}

function readList<T extends string>(
  env: Environment,
  name: string,
  known: readonly T[],
  warnings: string[],
): readonly T[] {
  const given = (setting(env, name) ?? '').split(',').map((each) => each.trim());
  const isKnown = (each: string): each is T => known.some((other) => other === each);
  if (given.some((each) => each !== '' && !isKnown(each)))
    warnings.push(`${name} may name ${known.join(', ')}: other names are ignored`);
  return given.filter(isKnown);
}

function readDetectors(env: Environment, warnings: string[]): readonly ResourceDetector[] {
  const given = readList(env, 'OTEL_NODE_RESOURCE_DETECTORS', [...RESOURCE_DETECTORS, 'all', 'none'], warnings);
  if (given.length === 0) return ['env'];
  if (given.includes('none')) return [];
  return RESOURCE_DETECTORS.filter((each) => given.includes('all') || given.includes(each));
}

/** Only what an endpoint or an exporter asks for is sent; the SDK alone would send to localhost without being asked. */
function isExported(env: Environment, signal: Signal, warnings: string[]): boolean {
  if (setting(env, 'OTEL_SDK_DISABLED')?.toLowerCase() === 'true') return false;
  const exporter = setting(env, `OTEL_${signal}_EXPORTER`);
  if (exporter === 'none') return false;
  if (exporter !== undefined && exporter !== 'otlp')
    warnings.push(`OTEL_${signal}_EXPORTER must be otlp or none: OTLP is used where there is an endpoint`);
  const [name, value] = ofSignal(env, signal, 'ENDPOINT');
  if (value === undefined) return exporter === 'otlp';
  if (/^https?:\/\//.test(value) && URL.canParse(value)) return true;
  warnings.push(`${name} is not an http or https URL: ${signal.toLowerCase()} are not exported`);
  return false;
}

function readProtocol(env: Environment, signal: Signal, warnings: string[]): Protocol {
  const [name, value = 'http/protobuf'] = ofSignal(env, signal, 'PROTOCOL');
  const protocol = PROTOCOLS.find((each) => each === value);
  if (protocol === undefined) warnings.push(`${name} must be ${PROTOCOLS.join(', ')}: http/protobuf is used`);
  return protocol ?? 'http/protobuf';
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
