import type { Figure } from './figure.ts';
import { K6_VERSION } from './k6.ts';
import type { PerformanceResult } from './load-report.ts';
import { saveReport, startReport } from './report.ts';
import type { RunOptions } from './run-scenario.ts';

/** The figures of a run: latency of each operation, dropped requests and failed checks. */
export function figuresOf({ operations, cases, dropped_iterations, seconds, users }: PerformanceResult): Figure[] {
  const latencies = Object.entries(operations).map(([name, { latency, codes }]): Figure => {
    const { count, p50Ms, p95Ms, p99Ms } = latency;
    const answers = Object.entries(codes).map(([code, times]) => `${code} × ${times}`);
    return {
      name: `${name}, p99`,
      unit: 'ms',
      value: p99Ms,
      measured: latency,
      detail: [
        `${(count / seconds).toFixed(1)} requests a second`,
        `p50 ${p50Ms.toFixed(2)} ms, p95 ${p95Ms.toFixed(2)} ms`,
        ...(answers.length > 0 ? [answers.join(', ')] : []),
      ].join('; '),
    };
  });
  const failed = cases.filter(({ passed }) => !passed).map(({ name }) => name);
  const ofUsers = users > 0 ? `, ${users} users with a session` : '';
  return [
    ...latencies,
    {
      name: 'dropped requests',
      unit: 'requests',
      value: dropped_iterations,
      target: { atMost: 0 },
      measured: {},
      detail: `open model, ${seconds.toFixed(0)} s${ofUsers}`,
    },
    {
      name: 'failed limits and checks',
      unit: `of ${cases.length}`,
      value: failed.length,
      target: { atMost: 0 },
      measured: { failed },
      detail: failed.join('; '),
    },
  ];
}

/** Begins a run whose result is kept in `load-tests/results` and shown in `docs/benchmarks.md`. */
export function startKeeping(
  scenario: string,
  { profile, seconds, users }: Pick<RunOptions, 'profile' | 'seconds' | 'users'>,
): (result: PerformanceResult) => readonly string[] {
  const given = Object.entries({ profile, seconds, users }).filter(([, value]) => value !== undefined);
  const options = given.map(([name, value]) => `--${name} ${value}`).join(' ');
  const report = startReport(`npm run load -- ${scenario} ${options} --keep`);
  return (result) => {
    const bench = `load ${scenario} (${profile})`;
    const finished = report.finish(
      figuresOf(result).map((figure) => ({ ...figure, bench })),
      [],
    );
    const versions = { ...finished.versions, k6: K6_VERSION };
    return saveReport({ ...finished, versions }, [`load-${scenario}-${profile}`]);
  };
}
