import { readFileSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';
import { circumstances, figureTable } from './benchmarks-page.ts';
import { type Diagnosis, diagnose } from './diagnosis.ts';
import type { Figure, Run } from './figure.ts';
import type { ProcessSample, Watched } from './run-watch.ts';

/** The parts of a k6 end-of-test summary that are read here. */
type Summary = {
  readonly metrics: Readonly<
    Record<
      string,
      {
        readonly type: string;
        readonly values: Readonly<Record<string, number>>;
        readonly thresholds?: Readonly<Record<string, { readonly ok: boolean }>>;
      }
    >
  >;
  readonly root_group: Group;
  readonly state: { readonly testRunDurationMs: number };
};

type Check = { readonly name: string; readonly passes: number; readonly fails: number };
type Group = { readonly checks: readonly Check[]; readonly groups: readonly Group[] };

type Case = {
  readonly suite: 'threshold' | 'check' | 'run';
  readonly name: string;
  readonly passed: boolean;
  readonly note: string;
};

type Operation = {
  readonly latency: {
    readonly count: number;
    readonly meanMs: number;
    readonly p50Ms: number;
    readonly p95Ms: number;
    readonly p99Ms: number;
    readonly maxMs: number;
  };
  /** Answers by code. */
  readonly codes: Readonly<Record<string, number>>;
};

/** The result of one scenario; the requirements' `PerformanceResult`. */
export type PerformanceResult = {
  readonly scenario: string;
  readonly suite: string | null;
  readonly profile: string;
  readonly target: string;
  readonly run: Run;
  readonly seconds: number;
  readonly passed: boolean;
  /** Why the run is not to be trusted, or did not end by itself. */
  readonly incidents: readonly string[];
  readonly diagnosis: Diagnosis;
  readonly dropped_iterations: number;
  readonly operations: Readonly<Record<string, Operation>>;
  readonly watched: Pick<Watched, 'processes' | 'ages' | 'serverP99Ms' | 'busiestLoop'>;
  readonly cases: readonly Case[];
  /** Users with a live session, where the scenario has any. */
  readonly users: number;
};

export type LoadRun = Pick<PerformanceResult, 'scenario' | 'suite' | 'profile' | 'target' | 'run' | 'users'> & {
  /** Where k6 wrote its summary, unless it was killed. */
  readonly summaryFile: string;
  /** Exit code of k6; other than 0 and the one for thresholds, the run itself failed. */
  readonly k6Status: number;
  readonly isThresholdStatus: boolean;
  readonly watched: Watched;
};

const checksOf = (group: Group): readonly Check[] => [...group.checks, ...group.groups.flatMap(checksOf)];

const valuesOf = (values: Readonly<Record<string, number>>): string =>
  Object.entries(values)
    .map(([name, value]) => `${name} ${Number.isInteger(value) ? value : value.toFixed(2)}`)
    .join(', ');

/** The rule that the scenarios give to metrics without a limit. */
const UNHELD = 'max>=0';
const OPERATION = /^http_req_duration\{op:(.+)\}$/;

/** Thresholds and checks as named cases that passed or did not. */
function summaryCases(summary: Summary): Case[] {
  const thresholds = Object.entries(summary.metrics).flatMap(
    ([metric, { type, thresholds: all = {}, values }]): Case[] => {
      // k6 passes a threshold of latency if there was no request.
      const isMeasured = type !== 'trend' || values.count !== 0;
      return Object.entries(all)
        .filter(([rule]) => rule !== UNHELD || !isMeasured)
        .map(([rule, { ok }]) => ({
          suite: 'threshold',
          name: rule === UNHELD ? metric : `${metric}: ${rule}`,
          passed: ok && isMeasured,
          note: isMeasured ? valuesOf(values) : 'not measured',
        }));
    },
  );
  const checks = checksOf(summary.root_group).map(
    ({ name, passes, fails }): Case => ({
      suite: 'check',
      name,
      // A check that never ran proves nothing.
      passed: fails === 0 && passes > 0,
      note: `${passes} of ${passes + fails}`,
    }),
  );
  return [...thresholds, ...checks];
}

/** Each operation with its answers, which the scenarios count in checks named `operation: code`. */
function operationsOf(summary: Summary): Record<string, Operation> {
  const checks = checksOf(summary.root_group);
  return Object.fromEntries(
    Object.entries(summary.metrics).flatMap(([metric, { values }]) => {
      const name = OPERATION.exec(metric)?.[1];
      if (name === undefined || !values.count) return [];
      const of = (stat: string): number => values[stat] ?? Number.NaN;
      const codes = checks
        .filter((check) => check.name.startsWith(`${name}: `))
        .map((check) => [check.name.slice(name.length + 2), check.passes + check.fails]);
      const latency = {
        ...{ count: of('count'), meanMs: of('avg'), p50Ms: of('med'), p95Ms: of('p(95)') },
        ...{ p99Ms: of('p(99)'), maxMs: of('max') },
      };
      return [[name, { latency, codes: Object.fromEntries(codes) }]];
    }),
  );
}

const MEMORY_FROM_SECOND = 300;
const MEMORY_SPAN_SECONDS = 60;
const MEMORY_GROWTH_MOST = 1.03;

const mean = (samples: readonly ProcessSample[]): number =>
  samples.reduce((sum, { memoryMb }) => sum + memoryMb, 0) / samples.length;

/** A run of ten minutes or more: the API's memory in the last minute against the sixth. */
function memoryCases({ processes }: Watched): Case[] {
  const samples = processes.api ?? [];
  const last = samples.at(-1)?.second ?? 0;
  if (last < 2 * MEMORY_FROM_SECOND) return [];
  const early = samples.filter(
    ({ second }) => second >= MEMORY_FROM_SECOND && second < MEMORY_FROM_SECOND + MEMORY_SPAN_SECONDS,
  );
  const late = samples.filter(({ second }) => second > last - MEMORY_SPAN_SECONDS);
  if (early.length === 0 || late.length === 0) return [];
  const growth = mean(late) / mean(early);
  return [
    {
      suite: 'run',
      name: `memory of the API after minute five: at most ${((MEMORY_GROWTH_MOST - 1) * 100).toFixed(0)} % more`,
      passed: growth <= MEMORY_GROWTH_MOST,
      note: `${mean(early).toFixed(1)} MB, then ${mean(late).toFixed(1)} MB`,
    },
  ];
}

function readSummary(file: string): Summary | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Summary;
  } catch {
    return undefined;
  }
}

/** CPU of a process over a run, in cores. */
const coresOf = (samples: readonly ProcessSample[] = []): number =>
  samples.length === 0 ? 0 : samples.reduce((sum, { cores }) => sum + cores, 0) / samples.length;

/** Every latency threshold that was crossed. */
const isSlow = (cases: readonly Case[]): boolean =>
  cases.some(({ suite, name, passed }) => suite === 'threshold' && !passed && name.startsWith('http_req_duration'));

/** What a run of k6 came to. */
export function performanceResult({
  summaryFile,
  k6Status,
  isThresholdStatus,
  watched,
  ...run
}: LoadRun): PerformanceResult {
  const summary = readSummary(summaryFile);
  const incidents = [...watched.incidents];
  if (summary === undefined) incidents.push(`k6 ended with exit code ${k6Status} and left no summary`);
  else if (k6Status !== 0 && !isThresholdStatus) incidents.push(`k6 ended with exit code ${k6Status}`);
  const measured = [...(summary === undefined ? [] : summaryCases(summary)), ...memoryCases(watched)];
  const note = incidents.join('; ');
  const ranToEnd: Case = { suite: 'run', name: 'the product and k6 ran to the end', passed: note === '', note };
  const cases = [...measured, ranToEnd];
  const dropped = summary?.metrics.dropped_iterations?.values.count ?? 0;
  const { processes, ages, serverP99Ms, busiestLoop } = watched;
  return {
    ...run,
    seconds:
      summary === undefined ? (Date.now() - Date.parse(run.run.date)) / 1_000 : summary.state.testRunDurationMs / 1_000,
    passed: cases.every(({ passed }) => passed),
    incidents,
    diagnosis: diagnose({
      dropped,
      isSlow: isSlow(measured),
      clientP99Ms: summary?.metrics.http_req_duration?.values['p(99)'] ?? 0,
      serverP99Ms,
      busiestLoop,
      generatorCores: coresOf(processes.k6),
      cores: cpus().length,
      loadAverage: loadavg()[0] ?? 0,
    }),
    dropped_iterations: dropped,
    operations: summary === undefined ? {} : operationsOf(summary),
    watched: { processes, ages, serverP99Ms, busiestLoop },
    cases,
  };
}

/** A refusal for now that tells when to come back. */
const REFUSED_FOR_NOW = /^[^:]+: 503 \w+$/;
/** What a busy machine gets is far below; from here on the product does not serve. */
const REFUSED_PART_MOST = 0.01;

/** What is wrong on any machine: limits of time depend on it, and so do refusals for now, while they are rare. */
export function wrongCases({ cases, operations }: PerformanceResult): readonly Case[] {
  const answers = Object.values(operations).flatMap(({ codes }) => Object.entries(codes));
  const countOf = (of: typeof answers): number => of.reduce((sum, [, times]) => sum + times, 0);
  const refused = countOf(answers.filter(([code]) => code.startsWith('503')));
  const areRare = refused <= REFUSED_PART_MOST * countOf(answers);
  return cases.filter(
    ({ suite, name, passed }) => !passed && suite !== 'threshold' && !(areRare && REFUSED_FOR_NOW.test(name)),
  );
}

/** What the requirements ask of an operation in any scenario, ms; a scenario's own limits may be narrower. */
const PROMISED: Readonly<Record<string, number>> = { 'issue, average': 100, 'validate, p99': 50 };

/** The figures of a run: latency of each operation, dropped requests and failed checks. */
export function figuresOf({ operations, cases, dropped_iterations, seconds, users }: PerformanceResult): Figure[] {
  const latencies = Object.entries(operations).flatMap(([operation, { latency, codes }]): Figure[] => {
    const { count, meanMs, p50Ms, p95Ms, p99Ms } = latency;
    const answers = Object.entries(codes).map(([code, times]) => `${code} × ${times}`);
    const figure = (name: string, value: number, detail: string): Figure => ({
      ...{ name, unit: 'ms', value, detail },
      ...(name in PROMISED ? { target: { atMost: PROMISED[name]! } } : {}),
    });
    return [
      figure(`${operation}, average`, meanMs, [`${count} requests`, ...answers].join('; ')),
      figure(
        `${operation}, p99`,
        p99Ms,
        `${(count / seconds).toFixed(1)} requests a second; p50 ${p50Ms.toFixed(2)} ms, p95 ${p95Ms.toFixed(2)} ms`,
      ),
    ];
  });
  const failed = cases.filter(({ passed }) => !passed).map(({ name }) => name);
  const ofUsers = users > 0 ? `, ${users} users with a session` : '';
  const none = { atMost: 0 };
  return [
    ...latencies,
    {
      ...{ name: 'dropped requests', unit: 'requests', value: dropped_iterations, target: none },
      detail: `open model, ${seconds.toFixed(0)} s${ofUsers}`,
    },
    {
      ...{ name: 'failed limits and checks', unit: `of ${cases.length}`, value: failed.length, target: none },
      detail: failed.join('; '),
    },
  ];
}

/** The result for a terminal. */
export function textTable(result: PerformanceResult): string {
  const { run, diagnosis, incidents, seconds, target } = result;
  const slow = {
    nothing: 'on time',
    product: 'the product was slow',
    generator: 'the load generator was slow',
    unknown: 'slow, cause unknown',
  }[diagnosis.slow];
  return [
    `${result.passed ? 'passed' : 'FAILED'}: ${result.scenario} (${result.profile}) against ${target}, ${run.date}, ${seconds.toFixed(1)} s`,
    ...incidents.map((incident) => `INCIDENT: ${incident}`),
    `${slow}: ${diagnosis.why}`,
    circumstances(run),
    '',
    ...figureTable(figuresOf(result)),
    '',
    ...result.cases.map(({ passed, name, note }) => `${passed ? 'ok  ' : 'FAIL'} ${name}  ${note}`.trimEnd()),
  ].join('\n');
}
