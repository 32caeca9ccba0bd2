import { beforeAll, expect, test } from 'vitest';
import { asShipped } from '#tools/testing/harness/busy-machine.ts';
import { createTestDatabase, testRedisUrl } from '#tools/testing/harness/stores.ts';
import { opened } from '#tools/testing/opened.ts';
import { runCli, startCli } from '#tools/testing/processes/run-cli.ts';
import { startTcpProxy } from '#tools/testing/processes/tcp-proxy.ts';
import { testFolder } from '#tools/testing/test-folder.ts';

asShipped();

const dataDir = testFolder();
let env: Record<string, string>;
const database = opened(createTestDatabase);
const proxy = opened(() => startTcpProxy(database.url));
beforeAll(async () => {
  proxy.freeze();
  const secret = 'a-secret-of-the-test-that-is-long-enough';
  env = { DATABASE_URL: proxy.url, REDIS_URL: testRedisUrl(), SALLYPORT_DATA_DIR: dataDir, BETTER_AUTH_SECRET: secret };
});

test('doctor tells of a PostgreSQL that does not answer once, with host, port and cause, and skips the checks that need it', {
  timeout: 60_000,
}, async () => {
  const { code, out } = await runCli(['doctor', '--json'], env);
  expect(code).toBe(1);
  const checks = JSON.parse(out).checks as { name: string; result: string; evidence: string; fix?: string }[];
  const failed = checks.filter(({ result }) => result === 'fail').map(({ name, evidence }) => [name, evidence]);
  const at = new URL(proxy.url).host;
  expect(failed).toEqual([
    ['postgres', `PostgreSQL at ${at} does not answer: timed out after 3 s`],
    ['api', 'no API is running from this data directory'],
  ]);
  const skipped = checks.filter(({ result }) => result === 'skip');
  expect(skipped.map(({ name, evidence, fix }) => [name, evidence, fix])).toEqual(
    SKIPPED.map((name) => [name, `not checked: see ${name === 'address' ? 'api' : 'postgres'}`, undefined]),
  );
  expect(checks.find(({ name }) => name === 'redis')?.evidence).toMatch(/^version /);
});

/** All need PostgreSQL, but for the address, which is that of the API. */
const SKIPPED = [
  'shell',
  'pooler',
  'clock',
  'migrations',
  'signing keys',
  'database roles',
  'clients',
  'client certificates',
  'marks',
  'audit log',
  'audit sinks',
  'audit recomputed',
  ...'jobs mail address wings production advisories'.split(' '),
];

test('doctor probes a store that does not answer only once', async () => {
  const before = proxy.connections();
  await runCli(['doctor'], env);
  expect(proxy.connections() - before).toBe(1);
});

test('doctor prints each result as soon as it is known, and the skipped checks in one line', {
  timeout: 60_000,
}, async () => {
  const child = startCli(['doctor'], env);
  child.stdin.end();
  const parts: string[] = [];
  for await (const part of child.stdout) parts.push(String(part));
  expect(parts[0]).toMatch(/configuration/);
  expect(parts[0]).not.toMatch(/postgres {2}/);
  const text = parts.join('');
  expect(text).toMatch(/fail {2}postgres {8}PostgreSQL at .* timed out after 3 s\n/);
  expect(text).toContain(`skip  not checked (${SKIPPED.length})  ${SKIPPED.join(', ')}\n`);
  expect(text.match(/^fail /gm)).toHaveLength(2);
});
