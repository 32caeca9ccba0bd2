import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createTestDatabase, type TestDatabase, testRedisUrl } from '#testing/harness/stores.ts';
import { runCli, startCli } from '#testing/processes/run-cli.ts';
import { startTcpProxy, type TcpProxy } from '#testing/processes/tcp-proxy.ts';

let database: TestDatabase;
let proxy: TcpProxy;
let dataDir: string;
let env: Record<string, string>;
beforeAll(async () => {
  database = await createTestDatabase();
  proxy = await startTcpProxy(database.url);
  proxy.freeze();
  dataDir = mkdtempSync(join(tmpdir(), 'sallyport-doctor-'));
  const secret = 'a-secret-of-the-test-that-is-long-enough';
  env = { DATABASE_URL: proxy.url, REDIS_URL: testRedisUrl(), SALLYPORT_DATA_DIR: dataDir, BETTER_AUTH_SECRET: secret };
});
afterAll(async () => {
  await proxy.cut();
  await database.drop();
  rmSync(dataDir, { recursive: true, force: true });
});

test('doctor probes a PostgreSQL that does not answer once, names host, port and cause, and skips the checks that need it', {
  timeout: 60_000,
}, async () => {
  const { code, out } = await runCli(['doctor', '--json'], env);
  expect(code).toBe(1);
  const checks = JSON.parse(out).checks as { name: string; result: string; evidence: string }[];
  const evidenceOf = (name: string) => checks.find((check) => check.name === name)?.evidence;
  expect(evidenceOf('postgres')).toBe(`PostgreSQL at ${new URL(proxy.url).host} does not answer: timed out after 3 s`);
  for (const name of ['clock', 'migrations', 'signing keys', 'marks', 'audit log', 'audit sinks', 'jobs'])
    expect([name, evidenceOf(name)]).toEqual([name, 'not checked: see postgres above']);
  expect(evidenceOf('redis')).toMatch(/^version /);
});

test('doctor prints each result as soon as it is known', { timeout: 60_000 }, async () => {
  const child = startCli(['doctor'], env);
  child.stdin.end();
  const parts: string[] = [];
  for await (const part of child.stdout) parts.push(String(part));
  expect(parts[0]).toMatch(/configuration/);
  expect(parts[0]).not.toMatch(/postgres {2}/);
  expect(parts.join('')).toMatch(/fail {2}postgres {8}PostgreSQL at .* timed out after 3 s\n/);
});
