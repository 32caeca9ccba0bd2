import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, release } from 'node:os';
import { type Diagnosis, diagnose } from './diagnosis.ts';
import { htmlPage, type Plot, type Table } from './html-report.ts';
import type { ProcessSample, Watched } from './run-watch.ts';
import type { CodeSeries, OperationSeries } from './samples.ts';

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

type Group = {
  readonly checks: readonly { readonly name: string; readonly passes: number; readonly fails: number }[];
  readonly groups: readonly Group[];
};

type Case = {
  readonly suite: 'threshold' | 'check' | 'run';
  readonly name: string;
  readonly passed: boolean;
  readonly note: string;
};

/** The result of one scenario; the requirements' `PerformanceResult`. */
export type PerformanceResult = {
  readonly scenario: string;
  readonly suite: string | null;
  readonly profile: string;
  readonly target: string;
  readonly started_at: string;
  readonly seconds: number;
  readonly passed: boolean;
  /** Why the run is not to be trusted, or did not end by itself. */
  readonly incidents: readonly string[];
  readonly diagnosis: Diagnosis;
  readonly dropped_iterations: number;
  readonly operations: Readonly<Record<string, OperationSeries>>;
  /** Answers over time by code. */
  readonly codes: Readonly<Record<string, CodeSeries>>;
  readonly watched: Pick<Watched, 'processes' | 'ages' | 'serverP99Ms' | 'busiestLoop'>;
  readonly cases: readonly Case[];
  readonly machine: { readonly cpu: string; readonly cores: number; readonly kernel: string; readonly load: number };
  readonly versions: { readonly k6: string; readonly node: string };
  /** Users with a live session, where the scenario has any. */
  readonly users: number;
};

export type LoadRun = {
  readonly scenario: string;
  readonly suite: string | null;
  readonly profile: string;
  readonly target: string;
  readonly startedAt: Date;
  readonly k6Version: string;
  /** Exit code of k6; other than 0 and the one for thresholds, the run itself failed. */
  readonly k6Status: number;
  readonly isThresholdStatus: boolean;
  readonly operations: Readonly<Record<string, OperationSeries>>;
  /** Answers over time by code. */
  readonly codes: Readonly<Record<string, CodeSeries>>;
  /** Of all operations together, as the API's own histogram has them. */
  readonly clientP99Ms: number;
  readonly dropped: number;
  readonly watched: Watched;
  readonly users: number;
};

const checksOf = (group: Group): Group['checks'] => [...group.checks, ...group.groups.flatMap(checksOf)];

const valuesOf = (values: Readonly<Record<string, number>>): string =>
  Object.entries(values)
    .map(([name, value]) => `${name} ${Number.isInteger(value) ? value : value.toFixed(2)}`)
    .join(', ');

/** The rule that the scenarios give to metrics without a limit. */
const UNHELD = 'max>=0';

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
    const summary = JSON.parse(readFileSync(file, 'utf8')) as Summary;
    rmSync(file);
    return summary;
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

export function performanceResult(run: LoadRun, summary: Summary | undefined): PerformanceResult {
  const incidents = [...run.watched.incidents];
  if (summary === undefined) incidents.push(`k6 ended with exit code ${run.k6Status} and left no summary`);
  else if (run.k6Status !== 0 && !run.isThresholdStatus) incidents.push(`k6 ended with exit code ${run.k6Status}`);
  const measured = [...(summary === undefined ? [] : summaryCases(summary)), ...memoryCases(run.watched)];
  const ranToEnd: Case = {
    suite: 'run',
    name: 'the product and k6 ran to the end',
    passed: incidents.length === 0,
    note: incidents.join('; '),
  };
  const cases = [...measured, ranToEnd];
  const diagnosis = diagnose({
    dropped: run.dropped,
    isSlow: isSlow(measured),
    clientP99Ms: run.clientP99Ms,
    serverP99Ms: run.watched.serverP99Ms,
    busiestLoop: run.watched.busiestLoop,
    generatorCores: coresOf(run.watched.processes.k6),
    cores: cpus().length,
    loadAverage: loadavg()[0] ?? 0,
  });
  const seconds =
    summary === undefined ? (Date.now() - run.startedAt.getTime()) / 1_000 : summary.state.testRunDurationMs / 1_000;
  const { processes, ages, serverP99Ms, busiestLoop } = run.watched;
  return {
    scenario: run.scenario,
    suite: run.suite,
    profile: run.profile,
    target: run.target,
    started_at: run.startedAt.toISOString(),
    seconds,
    passed: cases.every(({ passed }) => passed),
    incidents,
    diagnosis,
    dropped_iterations: run.dropped,
    operations: run.operations,
    codes: run.codes,
    watched: { processes, ages, serverP99Ms, busiestLoop },
    cases,
    machine: { cpu: cpus()[0]?.model ?? 'unknown', cores: cpus().length, kernel: release(), load: loadavg()[0] ?? 0 },
    versions: { k6: run.k6Version, node: process.versions.node },
    users: run.users,
  };
}

const xml = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');

export function junit({ scenario, suite: ofSuite, profile, cases, seconds }: PerformanceResult): string {
  const failed = cases.filter(({ passed }) => !passed).length;
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuite name="${xml(`${ofSuite === null ? '' : `${ofSuite}: `}${scenario} (${profile})`)}" tests="${cases.length}" failures="${failed}" time="${seconds.toFixed(1)}">`,
    ...cases.map(({ suite, name: title, passed, note }) =>
      passed
        ? `  <testcase classname="${suite}" name="${xml(title)}"/>`
        : `  <testcase classname="${suite}" name="${xml(title)}"><failure message="${xml(note)}"/></testcase>`,
    ),
    '</testsuite>',
    '',
  ].join('\n');
}

const titleOf = ({ scenario, profile }: PerformanceResult): string => `${scenario} (${profile})`;

/** What was measured, where, and what to make of it. */
function linesOf(result: PerformanceResult): string[] {
  const { machine, versions, diagnosis, incidents, seconds, target, users } = result;
  const slow = {
    nothing: 'on time',
    product: 'the product was slow',
    generator: 'the load generator was slow',
    unknown: 'slow, cause unknown',
  }[diagnosis.slow];
  return [
    `${result.passed ? 'passed' : 'FAILED'}: ${titleOf(result)} against ${target}, ${result.started_at}, ${seconds.toFixed(1)} s, open model${users > 0 ? `, ${users} users with a session` : ''}`,
    ...incidents.map((incident) => `INCIDENT: ${incident}`),
    `${slow}: ${diagnosis.why}; ${result.dropped_iterations} requests dropped`,
    `${machine.cores} × ${machine.cpu}, Linux ${machine.kernel}, load average ${machine.load.toFixed(1)}; k6 ${versions.k6}, node ${versions.node}`,
  ];
}

function tablesOf({ operations, cases, watched }: PerformanceResult): Table[] {
  const ms = (value: number): string => value.toFixed(2);
  return [
    {
      title: 'Operations',
      header: ['operation', 'requests', 'mean ms', 'p50', 'p95', 'p99', 'p99.9', 'longest', 'answers'],
      rows: Object.entries(operations).map(([name, { latency, codes }]) => [
        name,
        String(latency.count),
        ...[latency.meanMs, latency.p50Ms, latency.p95Ms, latency.p99Ms, latency.p999Ms, latency.maxMs].map(ms),
        Object.entries(codes)
          .map(([code, count]) => `${code} × ${count}`)
          .join(', '),
      ]),
    },
    {
      title: 'Processes',
      header: ['process', 'cores', 'memory MB, first', 'memory MB, last'],
      rows: Object.entries(watched.processes).map(([name, samples]) => [
        name,
        coresOf(samples).toFixed(2),
        samples[0]?.memoryMb.toFixed(0) ?? '',
        samples.at(-1)?.memoryMb.toFixed(0) ?? '',
      ]),
    },
    {
      title: 'Thresholds and checks',
      header: ['', 'what', 'passed', 'measured'],
      rows: cases.map(({ suite, name, passed, note }) => [suite, name, passed ? 'yes' : 'NO', note]),
    },
  ];
}

export function markdown(result: PerformanceResult): string {
  const row = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [
    `# ${titleOf(result)}`,
    '',
    ...linesOf(result).map((line) => `- ${line}`),
    '',
    ...tablesOf(result).flatMap(({ title, header, rows }) => [
      `## ${title}`,
      '',
      row(header),
      row(header.map(() => '---')),
      ...rows.map(row),
      '',
    ]),
  ].join('\n');
}

function plotsOf({ operations, codes, watched: { processes, ages } }: PerformanceResult): Plot[] {
  const overTime = (
    title: string,
    unit: string,
    value: (at: OperationSeries['intervals'][number]) => number,
  ): Plot => ({
    title,
    unit,
    lines: Object.entries(operations).map(([name, { intervals }]) => ({
      name,
      points: intervals.map((at) => [at.second, value(at)] as const),
    })),
  });
  const ofProcess = (title: string, unit: string, value: (at: ProcessSample) => number): Plot => ({
    title,
    unit,
    lines: Object.entries(processes).map(([name, samples]) => ({
      name,
      points: samples.map((at) => [at.second, value(at)] as const),
    })),
  });
  return [
    overTime('Latency, p99', 'ms', ({ p99Ms }) => p99Ms),
    overTime('Latency, p50', 'ms', ({ p50Ms }) => p50Ms),
    overTime('Requests by operation', 'in an interval', ({ count }) => count),
    {
      title: 'Answers by code',
      unit: 'in an interval',
      lines: Object.entries(codes).map(([name, series]) => ({
        name,
        points: series.map(({ second, count }) => [second, count] as const),
      })),
    },
    ofProcess('CPU', 'cores', ({ cores }) => cores),
    ofProcess('Memory', 'MB, not shared', ({ memoryMb }) => memoryMb),
    {
      title: 'Age of queues',
      unit: 'seconds',
      lines: [
        { name: 'oldest waiting job', points: ages.map(({ second, queueSeconds }) => [second, queueSeconds] as const) },
        {
          name: 'oldest unsealed audit event',
          points: ages.map(({ second, outboxSeconds }) => [second, outboxSeconds] as const),
        },
      ],
    },
  ];
}

export const html = (result: PerformanceResult): string =>
  htmlPage({ title: titleOf(result), lines: linesOf(result), tables: tablesOf(result), plots: plotsOf(result) });

/** The result for a terminal. */
export function textTable(result: PerformanceResult): string {
  const width = Math.max(...result.cases.map(({ name }) => name.length));
  return [
    ...linesOf(result),
    ...result.cases.map(({ passed, name, note }) =>
      `${passed ? 'ok  ' : 'FAIL'} ${name.padEnd(width)}  ${note}`.trimEnd(),
    ),
  ].join('\n');
}

/**
 * Writes the result as JSON, JUnit, Markdown and HTML.
 * @param base path of the files, without their suffix
 * @param summaryFile k6's own, which becomes part of the JSON
 */
export function saveLoadReport(
  base: string,
  summaryFile: string,
  run: LoadRun,
): { readonly result: PerformanceResult; readonly files: readonly string[] } {
  const summary = readSummary(summaryFile);
  const result = performanceResult(run, summary);
  const files = {
    json: `${JSON.stringify({ result, k6: summary ?? null }, null, 2)}\n`,
    xml: junit(result),
    md: markdown(result),
    html: html(result),
  };
  for (const [suffix, content] of Object.entries(files)) writeFileSync(`${base}.${suffix}`, content);
  return { result, files: Object.keys(files).map((suffix) => `${base}.${suffix}`) };
}
