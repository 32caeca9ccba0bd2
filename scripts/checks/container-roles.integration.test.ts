import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, inject, test, vi } from 'vitest';
import { randomFreePort } from '#services/platform/local/ports.ts';
import { eventually } from '#testing/eventually.ts';
import { onServer, testRedisUrl } from '#testing/harness/stores.ts';
import { unreadFile } from '../production-modules.mjs';
import production from './production-packages.json' with { type: 'json' };

// Seven processes start one after another: more than the usual time limit allows on a busy machine.
vi.setConfig({ testTimeout: 300_000 });

const root = resolve(import.meta.dirname, '../..');
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
    cwd: root,
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
    NODE_OPTIONS: `--import=${join(root, 'scripts/checks/loaded-files.mjs')}`,
    LOADED_FILES: join(folder, 'loaded-files'),
  };
});
afterAll(async () => {
  for (const child of started) child.kill('SIGKILL');
  await onServer((admin) => admin.query(`DROP DATABASE IF EXISTS ${database} WITH (FORCE)`));
  rmSync(folder, { recursive: true, force: true });
});

test('the migrate role migrates and ends; the API, worker and MCP roles serve, and drain at SIGTERM', async () => {
  expect(await exitOf(startRole(['migrate']))).toBe(0);
  expect(existsSync(join(folder, 'data/dev-credentials.json'))).toBe(true);
  // Again, as each `docker compose up` does.
  expect(await exitOf(startRole(['migrate']))).toBe(0);

  const [port, apiMetrics, workerMetrics, mcpPort, mcpMetrics] = await Promise.all(
    Array.from({ length: 5 }, () => randomFreePort()),
  );
  const api = startRole([], { PORT: String(port), METRICS_PORT: String(apiMetrics) });
  const worker = startRole(['worker'], { METRICS_PORT: String(workerMetrics) });
  const mcp = startRole(['mcp'], { MCP_PORT: String(mcpPort), METRICS_PORT: String(mcpMetrics) });
  await textOf(`http://127.0.0.1:${port}/readyz`);
  await textOf(`http://127.0.0.1:${mcpPort}/readyz`);
  expect(await textOf(`http://127.0.0.1:${mcpMetrics}/metrics`)).toMatch(/^process_uptime_seconds\{process="mcp"\} /m);
  expect(JSON.parse(await textOf(`http://127.0.0.1:${workerMetrics}/healthz`))).toMatchObject({ status: 'ok' });
  expect(await textOf(`http://127.0.0.1:${apiMetrics}/metrics`)).toMatch(/^process_uptime_seconds\{process="api"\} /m);
  expect(await textOf(`http://127.0.0.1:${workerMetrics}/metrics`)).toMatch(
    /^sallyport_worker_healthy\{process="worker"\} 1$/m,
  );

  // The command line, in the container of an API.
  const demo = startRole(['demo', 'env'], { SALLYPORT_API: `http://127.0.0.1:${port}` });
  expect(await exitOf(demo)).toBe(0);
  expect(demo.said()).toContain(`export API='http://127.0.0.1:${port}'`);

  for (const role of [api, worker, mcp]) {
    role.child.kill('SIGTERM');
    expect(await exitOf(role)).toBe(0);
  }
});

test('what the roles load, with export of telemetry and error reports on, is among the packages of production', async () => {
  const [port, metricsPort] = [String(await randomFreePort()), String(await randomFreePort())];
  // Nothing listens there: what cannot be sent is counted and dropped.
  const exports = { SENTRY_DSN: 'http://key@127.0.0.1:9/1', OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9' };
  for (const protocol of ['http/json', 'http/protobuf']) {
    const env = { ...exports, OTEL_EXPORTER_OTLP_PROTOCOL: protocol, METRICS_PORT: metricsPort };
    const worker = startRole(['worker'], env);
    await eventually('a healthy worker', async () =>
      (await textOf(`http://127.0.0.1:${metricsPort}/metrics`)).includes(
        'sallyport_worker_healthy{process="worker"} 1',
      ),
    );
    worker.child.kill('SIGTERM');
    expect(await exitOf(worker)).toBe(0);
  }
  const api = startRole([], { ...exports, PORT: port, METRICS_PORT: metricsPort });
  await textOf(`http://127.0.0.1:${port}/readyz`);
  api.child.kill('SIGTERM');
  expect(await exitOf(api)).toBe(0);

  const files = new Set(readFileSync(join(folder, 'loaded-files'), 'utf8').trim().split('\n'));
  const names = new Set(
    [...files].map((file) => /^(?:.*\/node_modules\/)?((?:@[^/]+\/)?[^/]+)\//.exec(file)?.[1] as string),
  );
  expect(names.size).toBeGreaterThan(150);
  const listed = new Set([...production.loaded, ...Object.keys(production.tried)]);
  expect([...names].filter((name) => !listed.has(name)).sort()).toEqual([]);
  expect([...files].filter((file) => unreadFile(file) !== undefined)).toEqual([]);
});

test('a failed migration prints its reason and fix, and does not end with 0', async () => {
  const failed = startRole(['migrate'], { SALLYPORT_PROFILE: 'production' });
  await once(failed.child, 'exit');
  expect(failed.child.exitCode).toBe(1);
  expect(failed.said()).toMatch(/KEY_ENCRYPTION_KEY(.|\n)+fix: /);
});

test('under production neither an API, a worker nor an MCP server starts beside marks of another machine, though only `migrate` claims them', async () => {
  const own = `${database}_place`;
  await onServer((admin) => admin.query(`CREATE DATABASE ${own}`));
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
    for (const role of ['api', 'worker', 'mcp']) {
      const [port, metricsPort] = [String(await randomFreePort()), String(await randomFreePort())];
      const ports = { PORT: port, MCP_PORT: port, METRICS_PORT: metricsPort };
      const second = startRole([role], { ...production, ...ports, SALLYPORT_DATA_DIR: join(folder, 'second') });
      if (second.child.exitCode === null) await once(second.child, 'exit');
      expect(second.child.exitCode, second.said()).toBe(1);
      expect(second.said()).toMatch(/MARK_STORE is file under production(.|\n)+fix: /);
    }
  } finally {
    await onServer((admin) => admin.query(`DROP DATABASE ${own} WITH (FORCE)`));
  }
});
