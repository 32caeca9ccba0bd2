/** `npm run stack`: the system of docker-compose.yml by real programs on this machine, and proof that it can be seen. */
import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { ensureDataDir } from '#services/platform/local/data-dir.ts';
import { randomFreePort } from '#services/platform/local/ports.ts';
import { startPostgres } from '#services/platform/local/postgres.ts';
import { startRedis } from '#services/platform/local/redis.ts';
import {
  checkDashboards,
  checkExemplars,
  checkJaeger,
  checkLogs,
  checkScrapes,
  checkTraces,
  receivedTraces,
} from './checks.ts';
import { type Child, createChildren, eventually, startRole } from './children.ts';
import { type Credentials, smoke, smokeOfDefect, underSmoke } from './smoke.ts';
import { startCollector, startJaeger, startNginx, startPrometheus } from './telemetry.ts';

/** MessagePack of what a log message needs: strings, one array of three, one map, one 32-bit time. */
function text(value: string): Buffer {
  const bytes = Buffer.from(value);
  const head = Buffer.alloc(5);
  head.writeUInt8(0xdb, 0);
  head.writeUInt32BE(bytes.length, 1);
  return Buffer.concat([head, bytes]);
}

function seconds(value: number): Buffer {
  const bytes = Buffer.alloc(5);
  bytes.writeUInt8(0xce, 0);
  bytes.writeUInt32BE(value, 1);
  return bytes;
}

/** Message mode of the Fluentd forward protocol: `[tag, time, record]`. */
function encodeLogMessage(tag: string, atSeconds: number, record: Readonly<Record<string, string>>): Buffer {
  const fields = Object.entries(record);
  const map = Buffer.from([0x80 | fields.length]);
  const pairs = fields.flatMap(([name, value]) => [text(name), text(value)]);
  return Buffer.concat([Buffer.from([0x93]), text(tag), seconds(atSeconds), map, ...pairs]);
}

/** Sends log lines as Docker's fluentd driver does. */
function connectLogDriver(port: number): { send(tag: string, line: string): void; close(): void } {
  const socket: Socket = connect({ host: '127.0.0.1', port });
  socket.on('error', () => undefined);
  return {
    send: (tag, line) => {
      const record = { log: line, source: 'stderr', container_name: `/${tag}` };
      socket.write(encodeLogMessage(tag, Math.floor(Date.now() / 1_000), record));
    },
    close: () => socket.destroy(),
  };
}

const HELP = `npm run stack [-- --keep] [--jaeger]

Starts Postgres and Redis, and by the entry point of the image a migration, two APIs and an MCP server behind nginx and two workers; the
collector and Prometheus with the very files that docker-compose.yml mounts; sends requests, and checks that traces, metrics, log lines and every dashboard query arrive.

  --keep     leave it running until Ctrl-C, and say where everything is
  --jaeger   send traces to Jaeger too, and check that it answers for one from a request to its sealed event

nginx and Prometheus are taken from PATH, else from Debian packages. The collector and Jaeger are built once from their Go modules.
Each takes some ten minutes.
`;

const say = (text: string): void => void process.stdout.write(`stack: ${text}\n`);
const { values } = parseArgs({
  options: { keep: { type: 'boolean' }, jaeger: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } },
});
if (values.help) {
  process.stdout.write(HELP);
  process.exit(0);
}

const folder = mkdtempSync(join(tmpdir(), 'sallyport-stack-'));
// As root, Postgres runs as another user, who must be able to pass through.
chmodSync(folder, 0o755);
const dataDir = join(folder, 'data');
const stopStores: (() => Promise<void>)[] = [];
let sendLog: (name: string, line: string) => void = () => undefined;
const children = createChildren((name, line) => sendLog(name, line));

async function run(): Promise<void> {
  const jaeger = values.jaeger ? await startJaeger(children, folder, say) : undefined;
  const collector = await startCollector(children, folder, say, jaeger?.otlp);
  const driver = connectLogDriver(collector.logsPort);
  sendLog = (name, line) => driver.send(`sallyport.${name.split('-')[0]}`, line);

  ensureDataDir(dataDir);
  const starting = [startPostgres({ dataDir, say }), startRedis({ dataDir, say })] as const;
  // A store that is still starting when Ctrl-C comes is stopped too.
  stopStores.push(
    ...starting.map(
      (store) => () =>
        store.then(
          ({ stop }) => stop(),
          () => undefined,
        ),
    ),
  );
  const [postgres, redis] = await Promise.all(starting);
  const [port, ...ports] = await Promise.all(Array.from({ length: 11 }, () => randomFreePort()));
  const url = `http://127.0.0.1:${port}`;
  const portOf = (at: number): number => ports[at * 2] as number;
  const settings = (at: number): Record<string, string> => ({
    PORT: String(portOf(at)),
    MCP_PORT: String(portOf(at)),
    METRICS_PORT: String(ports[at * 2 + 1]),
    SALLYPORT_DATA_DIR: dataDir,
    DATABASE_URL: postgres.url,
    REDIS_URL: redis.url,
    BETTER_AUTH_URL: url,
    MCP_URL: `${url}/mcp`,
    TRUSTED_PROXIES: '127.0.0.1',
    // Every request comes from this machine.
    RATE_LIMIT_CREDENTIAL_PER_MINUTE: '100',
    LOG_LEVEL: 'debug',
    OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `${collector.otlp}/v1/traces`,
    OTEL_TRACES_SAMPLER: 'parentbased_always_on',
    OTEL_BSP_SCHEDULE_DELAY: '200',
  });
  const migrate = startRole(children, 'migrate', 'migrate', settings(0));
  await eventually('the database to be ready', () => migrate.process.exitCode === 0, migrate);
  const credentials = JSON.parse(readFileSync(join(dataDir, 'dev-credentials.json'), 'utf8')) as Credentials;
  const names = ['api-one', 'api-two', 'worker-one', 'worker-two', 'mcp-one'] as const;
  const metricsOf = (at: number): string => `127.0.0.1:${ports[at * 2 + 1]}`;
  await Promise.all(
    names.map((name, at) => {
      const role = name.split('-')[0] as 'api' | 'worker' | 'mcp';
      const child: Child = startRole(children, name, role, settings(at));
      // As the health checks of docker-compose.yml ask.
      const health = role === 'worker' ? `${metricsOf(at)}/healthz` : `127.0.0.1:${portOf(at)}/readyz`;
      return eventually(`${name} to be ready`, () => fetch(`http://${health}`).then(({ ok }) => ok), child);
    }),
  );
  await startNginx(children, folder, { port: port as number, api: [portOf(0), portOf(1)], mcp: portOf(4) });
  const prometheus = await startPrometheus(children, folder, {
    api: [metricsOf(0), metricsOf(1)],
    worker: [metricsOf(2), metricsOf(3)],
    mcp: [metricsOf(4)],
    collector: collector.metrics,
  });
  say(`API ${url} · Prometheus ${prometheus}${jaeger ? ` · Jaeger ${jaeger.query}` : ''} · files ${folder}`);

  say(await checkScrapes(prometheus, 6));
  // Rates need a counter before and after: some requests, then the same again.
  for (let turn = 0; turn < 3; turn += 1) {
    await smoke(url, credentials);
    await sleep(2_000);
  }
  await smokeOfDefect(url, credentials);
  say('requests sent through nginx: every answer was the expected one');
  say(await checkTraces(collector));
  if (jaeger) say(await checkJaeger(jaeger.query, collector));
  say(await checkLogs(collector));
  say(await checkExemplars(prometheus, new Set(receivedTraces(collector).keys())));
  say(await underSmoke(url, credentials, () => checkDashboards(prometheus)));
  say('all is well');
  if (values.keep) {
    say('running until Ctrl-C');
    await stopRequest;
  }
  driver.close();
}

const stopRequest = new Promise<void>((stop) => process.once('SIGINT', stop).once('SIGTERM', stop));

try {
  await Promise.race([run(), stopRequest.then(() => say('stopping …'))]);
} catch (err) {
  process.stderr.write(`stack: ${(err as Error).message}\n`);
  process.exitCode = 1;
} finally {
  await children.stop();
  await Promise.all(stopStores.map((stop) => stop()));
  rmSync(folder, { recursive: true, force: true });
}
process.exit();
