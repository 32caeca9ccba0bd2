/** `npm run load:rolling`: replaces every copy of the API under load behind HAProxy and nginx, and counts what failed. */
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { ensureDataDir } from '#services/platform/local/data-dir.ts';
import { randomFreePort } from '#services/platform/local/ports.ts';
import { startPostgres } from '#services/platform/local/postgres.ts';
import { startRedis } from '#services/platform/local/redis.ts';
import { type Child, createChildren, eventually, startRole } from '../tools/stack/children.ts';
import { haproxyProgram, root } from '../tools/stack/programs.ts';
import { startNginx } from '../tools/stack/telemetry.ts';
import { findK6, stopK6 } from './lib/k6.ts';
import { textTable } from './lib/load-report.ts';
import { runScenario } from './lib/run-scenario.ts';
import { givenTarget } from './lib/target.ts';

const HELP = `npm run load:rolling [-- --behind haproxy|nginx] [-- --seconds 60] [-- --profile soak]

Starts two copies of the API and a worker, by the entry point of the image, behind HAProxy and then behind nginx with the
files of deploy/. Sends 500 requests a second (validate, introspect, refresh, issue): ten seconds that are not counted,
because a fleet is warm before its restart, then a minute, in which it ends each copy with SIGTERM and starts it again.
Exits 1 if one request of that minute failed or was dropped. On a machine of two cores, which also runs the generator and
the stores, give --profile soak: half of the load.
`;
const say = (text: string): void => void process.stderr.write(`rolling: ${text}\n`);
const { values } = parseArgs({
  options: {
    behind: { type: 'string' },
    seconds: { type: 'string', default: '60' },
    profile: { type: 'string', default: 'load' },
    help: { type: 'boolean', short: 'h' },
  },
});
if (values.help) {
  process.stdout.write(HELP);
  process.exit(0);
}
/** As docs/how-to/run-in-production.md asks of an API behind either. */
const NOTICE_SECONDS = '2';
/** Load without a restart before the first, and between two. */
const CALM_MS = 3_000;
const WARM_UP_SECONDS = 10;

const folder = mkdtempSync(join(tmpdir(), 'sallyport-rolling-'));
// As root, Postgres runs as another user, who must be able to pass through.
chmodSync(folder, 0o755);
const children = createChildren(() => undefined);
const stopStores: (() => Promise<void>)[] = [];
const stopRequest = new Promise<never>((_, stop) => {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop(new Error('stopped')));
});

type Copy = { readonly port: number; start(): Promise<void>; stop(): Promise<number> };

function copyOf(name: string, port: number, env: Readonly<Record<string, string>>): Copy {
  let child: Child | undefined;
  return {
    port,
    async start() {
      child = startRole(children, name, 'api', { ...env, PORT: String(port) });
      await eventually(
        `${name} to be ready`,
        () => fetch(`http://127.0.0.1:${port}/readyz`).then(({ ok }) => ok),
        child,
      );
    },
    async stop() {
      const stopping = child as Child;
      const startedMs = performance.now();
      stopping.process.kill('SIGTERM');
      await eventually(
        `${name} to end`,
        () => stopping.process.exitCode !== null || stopping.process.signalCode !== null,
      );
      if (stopping.process.exitCode !== 0)
        throw new Error(`${name} did not end with 0:\n${stopping.output().slice(-3_000)}`);
      return (performance.now() - startedMs) / 1_000;
    },
  };
}

/** HAProxy with deploy/haproxy/haproxy.cfg, before copies on this machine. */
async function startHaproxy(port: number, copies: readonly Copy[]): Promise<void> {
  const own = join(folder, 'haproxy');
  mkdirSync(own, { recursive: true });
  const servers = copies.map((copy) => `  server api${copy.port} 127.0.0.1:${copy.port}`).join('\n');
  const files = [
    `backend sallyport_api from copies\n${servers}\n`,
    'backend sallyport_mcp from copies\n  server mcp 127.0.0.1:9\n',
  ];
  writeFileSync(join(own, 'servers.cfg'), files.join(''));
  const { program, env } = haproxyProgram();
  const config = ['-f', join(root, 'deploy/haproxy/haproxy.cfg'), '-f', join(own, 'servers.cfg')];
  const child = children.start('haproxy', program, ['-db', ...config], {
    ...env,
    HAPROXY_BIND: `127.0.0.1:${port}`,
    HAPROXY_SOCKET: join(own, 'stats.sock'),
  });
  await eventually('HAProxy', () => fetch(`http://127.0.0.1:${port}/readyz`).then(({ ok }) => ok), child);
}

async function replaceAll(copies: readonly Copy[]): Promise<void> {
  for (const copy of copies) {
    await sleep(CALM_MS);
    const seconds = await copy.stop();
    const startedMs = performance.now();
    await copy.start();
    const ready = (performance.now() - startedMs) / 1_000;
    say(
      `copy at ${copy.port}: ended ${seconds.toFixed(1)} s after SIGTERM, ready again ${ready.toFixed(1)} s after its start`,
    );
  }
  await sleep(CALM_MS);
}

async function run(): Promise<boolean> {
  const binary = await findK6(say);
  const dataDir = join(folder, 'data');
  ensureDataDir(dataDir);
  const stores = await Promise.all([startPostgres({ dataDir, say }), startRedis({ dataDir, say })]);
  stopStores.push(...stores.map((store) => () => store.stop()));
  const [postgres, redis] = stores;
  const [haproxyPort, nginxPort, ...ports] = (await Promise.all(Array.from({ length: 7 }, () => randomFreePort()))) as [
    number,
    number,
    ...number[],
  ];
  const env = {
    SALLYPORT_DATA_DIR: dataDir,
    DATABASE_URL: postgres.url,
    REDIS_URL: redis.url,
    BETTER_AUTH_URL: `http://127.0.0.1:${haproxyPort}`,
    TRUSTED_PROXIES: '127.0.0.1',
    RATE_LIMIT_PROFILE: 'load',
    DRAIN_NOTICE_SECONDS: NOTICE_SECONDS,
  };
  const migration = startRole(children, 'migrate', 'migrate', env);
  await eventually('the database to be ready', () => migration.process.exitCode === 0, migration);
  startRole(children, 'worker', 'worker', { ...env, METRICS_PORT: String(ports[0]) });
  const copies = [1, 2].map((at) =>
    copyOf(`api-${at}`, ports[at] as number, { ...env, METRICS_PORT: String(ports[at + 2]) }),
  );
  await Promise.all(copies.map((copy) => copy.start()));
  await startHaproxy(haproxyPort, copies);
  await startNginx(children, folder, { port: nginxPort, api: copies.map(({ port }) => port), mcp: 9 });

  const results = join(root, 'load-tests/.results');
  mkdirSync(results, { recursive: true });
  let passed = true;
  for (const [name, port] of Object.entries({ haproxy: haproxyPort, nginx: nginxPort })) {
    if (values.behind !== undefined && values.behind !== name) continue;
    const given = { url: `http://127.0.0.1:${port}`, credentials: join(dataDir, 'dev-credentials.json') };
    const target = await givenTarget(
      ['rolling'],
      { ...given, usersFile: undefined, metrics: undefined, secondUrl: undefined },
      say,
    );
    let isOver = false;
    const loadOf = (seconds: number) =>
      runScenario(binary, 'rolling', target, {
        command: 'npm run load:rolling',
        suite: null,
        profile: values.profile,
        seconds,
        users: undefined,
        otlp: undefined,
        resultFolder: results,
        isInterrupted: () => false,
        say,
      });
    await loadOf(WARM_UP_SECONDS);
    const load = loadOf(Number(values.seconds));
    const [{ result }] = await Promise.all([
      load.finally(() => {
        isOver = true;
      }),
      replaceAll(copies).then(() => {
        if (isOver) throw new Error('the load ended before every copy was replaced: give it more --seconds');
        say(`behind ${name} every copy was replaced under load`);
      }),
    ]);
    process.stdout.write(`behind ${name}:\n${textTable(result)}\n`);
    passed &&= result.passed;
  }
  return passed;
}

try {
  process.exitCode = (await Promise.race([run(), stopRequest])) ? 0 : 1;
} catch (err) {
  say((err as Error).message);
  process.exitCode = 1;
} finally {
  stopK6();
  await children.stop();
  await Promise.all(stopStores.map((stop) => stop()));
  rmSync(folder, { recursive: true, force: true });
}
process.exit();
