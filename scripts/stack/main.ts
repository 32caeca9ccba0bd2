/** `npm run stack`: the system of docker-compose.yml by real programs on this machine, and proof that it can be seen. */
import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { randomFreePort } from '#services/platform/local/ports.ts';
import { checkDashboards, checkExemplars, checkLogs, checkScrapes, checkTraces, receivedTraces } from './checks.ts';
import { createChildren, startSallyport } from './children.ts';
import { connectLogDriver } from './fluent-forward.ts';
import { type Credentials, smoke, smokeOfDefect } from './smoke.ts';
import { startCollector, startNginx, startPrometheus } from './telemetry.ts';

const HELP = `npm run stack [-- --keep]

Starts two APIs behind nginx, two workers, Postgres, Redis, the collector and Prometheus with the very files that
docker-compose.yml mounts, sends requests, and checks that traces, metrics, log lines and every dashboard query arrive.

  --keep   leave it running until Ctrl-C, and say where everything is

Taken from PATH, else fetched or built once: nginx and Prometheus (Debian packages), the collector (Go modules).
`;

const say = (text: string): void => void process.stdout.write(`stack: ${text}\n`);
const { values } = parseArgs({ options: { keep: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } } });
if (values.help) {
  process.stdout.write(HELP);
  process.exit(0);
}

const folder = mkdtempSync(join(tmpdir(), 'sallyport-stack-'));
// As root, Postgres runs as another user, who must be able to pass through.
chmodSync(folder, 0o755);
let sendLog: (name: string, line: string) => void = () => undefined;
const children = createChildren((name, line) => sendLog(name, line));

async function run(): Promise<void> {
  const collector = await startCollector(children, folder, say);
  const driver = connectLogDriver(collector.logsPort);
  sendLog = (name, line) => driver.send(`sallyport.${name.split('-')[0]}`, line);

  const [port, ...ports] = await Promise.all(Array.from({ length: 9 }, () => randomFreePort()));
  const url = `http://127.0.0.1:${port}`;
  const settings = (at: number): Record<string, string> => ({
    PORT: String(ports[at * 2]),
    METRICS_PORT: String(ports[at * 2 + 1]),
    SALLYPORT_DATA_DIR: join(folder, 'data'),
    BETTER_AUTH_URL: url,
    TRUSTED_PROXIES: '127.0.0.1',
    // Every request comes from this machine.
    RATE_LIMIT_CREDENTIAL_PER_MINUTE: '100',
    LOG_LEVEL: 'debug',
    OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `${collector.otlp}/v1/traces`,
    OTEL_TRACES_SAMPLER: 'parentbased_always_on',
    OTEL_BSP_SCHEDULE_DELAY: '200',
  });
  const api = { API_COPIES: '1', WORKER_COPIES: '0' };
  const worker = { API_COPIES: '0', WORKER_COPIES: '1' };
  const first = await startSallyport(children, 'api-one', { ...settings(0), ...api });
  const credentials = JSON.parse(readFileSync(first.credentials_file, 'utf8')) as Credentials;
  const stores = { DATABASE_URL: credentials.database_url, REDIS_URL: credentials.redis_url };
  const others = await Promise.all([
    startSallyport(children, 'api-two', { ...settings(1), ...api, ...stores }),
    startSallyport(children, 'worker-one', { ...settings(2), ...worker, ...stores }),
    startSallyport(children, 'worker-two', { ...settings(3), ...worker, ...stores }),
  ]);
  const portOf = (address: string): number => Number(new URL(address).port);
  const hostOf = (address: string): string => new URL(address).host;
  const [second, ...workers] = others;
  await startNginx(children, folder, port as number, [portOf(first.api), portOf(second?.api as string)]);
  const prometheus = await startPrometheus(children, folder, {
    api: [first, second].map((each) => hostOf(each?.metrics as string)),
    worker: workers.map(({ metrics }) => hostOf(metrics)),
    collector: collector.metrics,
  });
  say(`API ${url} · Prometheus ${prometheus} · files ${folder}`);

  say(await checkScrapes(prometheus, 5));
  // Rates need a counter before and after: some requests, then the same again.
  for (let turn = 0; turn < 3; turn += 1) {
    await smoke(url, credentials);
    await sleep(2_000);
  }
  await smokeOfDefect(url, credentials);
  say('requests sent through nginx: every answer was the expected one');
  say(await checkTraces(collector));
  say(await checkLogs(collector));
  say(await checkExemplars(prometheus, new Set(receivedTraces(collector).keys())));
  say(await checkDashboards(prometheus));
  say('all is well');
  if (values.keep) {
    say('running until Ctrl-C');
    await new Promise((stop) => process.once('SIGINT', stop).once('SIGTERM', stop));
  }
  driver.close();
}

try {
  await run();
} catch (err) {
  process.stderr.write(`stack: ${(err as Error).message}\n`);
  process.exitCode = 1;
} finally {
  await children.stop();
  rmSync(folder, { recursive: true, force: true });
}
process.exit();
