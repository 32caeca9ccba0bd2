import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { K6_THRESHOLDS_CROSSED, K6_VERSION, type K6Run, startK6, stopK6 } from './k6.ts';
import { type PerformanceResult, performanceResult } from './load-report.ts';
import { writePool } from './pool.ts';
import { startRun } from './run.ts';
import { RunWatch } from './run-watch.ts';
import { type Scenario, scenarios } from './scenarios.ts';
import type { Target } from './target.ts';

export type RunOptions = {
  /** The command line, as the result names it. */
  readonly command: string;
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

/** Runs one scenario, and writes its result. */
export async function runScenario(
  binary: string,
  name: string,
  target: Target,
  options: RunOptions,
): Promise<{ readonly result: PerformanceResult; readonly file: string }> {
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

    let k6: K6Run | undefined;
    const processes = (): Record<string, number> => ({ ...target.product?.processes(), ...(k6 ? { k6: k6.pid } : {}) });
    const watch = new RunWatch({ api, metrics: target.metrics, processes }, stopK6);
    await watch.start();
    const describeRun = startRun(options.command);
    say(`${name}, profile ${profile}, against ${api}`);
    k6 = startK6(binary, name, {
      TARGET: api,
      CREDENTIALS_FILE: target.credentialsFile,
      POOL_FILE: poolFile,
      PROFILE: profile,
      SUMMARY_FILE: summaryFile,
      ...(seconds === undefined ? {} : { SECONDS: String(seconds) }),
      ...(target.secondApi === undefined ? {} : { SECOND_TARGET: target.secondApi }),
      ...otlpEnv(options.otlp),
    });
    let isRunning = true;
    void target.product?.ended().then((how) => {
      if (!isRunning || options.isInterrupted()) return;
      watch.note(`the product ended (${how})`);
      stopK6();
    });
    const k6Status = await k6.ended;
    isRunning = false;
    if (options.isInterrupted()) watch.note('interrupted');
    const result = performanceResult({
      scenario: name,
      suite: options.suite,
      profile,
      target: api,
      summaryFile,
      k6Status,
      isThresholdStatus: k6Status === K6_THRESHOLDS_CROSSED,
      watched: await watch.stop(),
      run: describeRun({ k6: K6_VERSION }),
      users: seeded?.users.length ?? 0,
    });
    const file = join(options.resultFolder, `${result.run.date.replaceAll(/[:.]/g, '-')}-${name}-${profile}.json`);
    writeFileSync(file, `${JSON.stringify(result, null, 2)}\n`);
    return { result, file };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
