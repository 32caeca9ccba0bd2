import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { K6_THRESHOLDS_CROSSED, K6_VERSION, type K6Run, startK6, stopK6 } from './k6.ts';
import { type PerformanceResult, saveLoadReport } from './load-report.ts';
import { writePool } from './pool.ts';
import { RunWatch } from './run-watch.ts';
import { Samples } from './samples.ts';
import { type Scenario, scenarios } from './scenarios.ts';
import type { Target } from './target.ts';

/** Points of a plot at most: the intervals of a longer run are longer. */
const INTERVALS_MAX = 600;
const PROGRESS_MS = 5_000;
/** Seconds of the longest profiles; those of a scenario may be shorter. */
const SECONDS_OF: Readonly<Record<string, number>> = { load: 900, stress: 300, breakpoint: 600, soak: 7_200 };
const SECONDS_OF_OTHERS = 120;

export type RunOptions = {
  readonly suite: string | null;
  readonly profile: string;
  readonly seconds: number | undefined;
  readonly users: number | undefined;
  readonly otlp: URL | undefined;
  readonly resultFolder: string;
  readonly isInterrupted: () => boolean;
  readonly say: (text: string) => void;
};

/** Settings of k6's OpenTelemetry output. */
const otlpEnv = (url: URL | undefined): Record<string, string> =>
  url === undefined
    ? {}
    : {
        K6_OTEL_EXPORTER_PROTOCOL: 'http/protobuf',
        K6_OTEL_HTTP_EXPORTER_ENDPOINT: url.host,
        K6_OTEL_HTTP_EXPORTER_URL_PATH: url.pathname,
        K6_OTEL_HTTP_EXPORTER_INSECURE: String(url.protocol === 'http:'),
        K6_OTEL_METRIC_PREFIX: 'k6_',
        K6_OTEL_SERVICE_NAME: 'sallyport-load',
      };

/** Runs one scenario, and writes its reports. */
export async function runScenario(
  binary: string,
  name: string,
  target: Target,
  options: RunOptions,
): Promise<{ readonly result: PerformanceResult; readonly files: readonly string[] }> {
  const scenario = scenarios[name] as Scenario;
  const { profile, seconds, say } = options;
  const { api, client, userId, seeded: all } = target;
  const seeded =
    scenario.users === undefined || all === undefined
      ? undefined
      : { ...all, users: all.users.slice(0, options.users) };
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-load-'));
  try {
    const poolFile = join(folder, 'pool.json');
    const summaryFile = join(folder, 'summary.json');
    const needsPairs = scenario.needsPairs === true;
    if (needsPairs) say(`${name}: refreshing ${seeded?.users.length ?? 0} sessions once`);
    await writePool(poolFile, { api, client, userId, seeded, needsPairs });

    const samples = new Samples(Math.ceil((seconds ?? SECONDS_OF[profile] ?? SECONDS_OF_OTHERS) / INTERVALS_MAX));
    let k6: K6Run | undefined;
    const processes = (): Record<string, number> => ({ ...target.product?.processes(), ...(k6 ? { k6: k6.pid } : {}) });
    const watch = new RunWatch({ api, metrics: target.metrics, processes }, stopK6);
    await watch.start();
    const startedAt = new Date();
    say(`${name}, profile ${profile}, against ${api}`);
    k6 = startK6(
      binary,
      name,
      {
        TARGET: api,
        CREDENTIALS_FILE: target.credentialsFile,
        POOL_FILE: poolFile,
        PROFILE: profile,
        SUMMARY_FILE: summaryFile,
        ...(seconds === undefined ? {} : { SECONDS: String(seconds) }),
        ...(target.secondApi === undefined ? {} : { SECOND_TARGET: target.secondApi }),
        ...otlpEnv(options.otlp),
      },
      (chunk) => samples.add(chunk),
    );
    let isRunning = true;
    void target.product?.ended().then((how) => {
      if (!isRunning || options.isInterrupted()) return;
      watch.note(`the product ended (${how})`);
      stopK6();
    });
    const progress = setInterval(() => say(`${name}: ${samples.progress()}; ${samples.dropped} dropped`), PROGRESS_MS);
    const k6Status = await k6.ended.finally(() => clearInterval(progress));
    isRunning = false;
    if (options.isInterrupted()) watch.note('interrupted');
    const base = join(options.resultFolder, `${startedAt.toISOString().replaceAll(/[:.]/g, '-')}-${name}-${profile}`);
    return saveLoadReport(base, summaryFile, {
      scenario: name,
      suite: options.suite,
      profile,
      target: api,
      startedAt,
      k6Version: K6_VERSION,
      k6Status,
      isThresholdStatus: k6Status === K6_THRESHOLDS_CROSSED,
      operations: samples.finish(),
      codes: samples.codes(),
      clientP99Ms: samples.p99Ms,
      dropped: samples.dropped,
      watched: await watch.stop(),
      users: seeded?.users.length ?? 0,
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
