// Every store setting at once: each process with a login of its own, through a pooler, and with a standby that is
// half a minute behind.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { randomFreePort } from '#services/platform/local/ports.ts';
import { smoke } from '#tools/stack/smoke.ts';
import { eventually } from '#tools/testing/eventually.ts';
import { queryRows } from '#tools/testing/harness/ports.ts';
import { basicHeader, send } from '#tools/testing/http-client.ts';
import { type RoleProcess, startContainerRole } from '#tools/testing/processes/container-role.ts';
import { type OwnStores, startOwnStores } from '#tools/testing/processes/own-stores.ts';
import { type PgBouncer, startPgBouncer } from '#tools/testing/processes/pgbouncer.ts';
import { runCli } from '#tools/testing/processes/run-cli.ts';
import { copyOfPostgres, type Standby, startStandby } from './older-database-harness.ts';

const BEHIND_SECONDS = 30;
const REVOKED_BUSY_MS = 6_000;
const roles = ['api', 'mcp', 'worker'] as const;
type Role = (typeof roles)[number];

let stores: OwnStores;
let standby: Standby;
let pooler: PgBouncer;
let api: string;
let settings: Record<string, string>;
const started: RoleProcess[] = [];

/** The same address with the login of a process. */
const as = (role: Role, address: string): string =>
  Object.assign(new URL(address), { username: `${role}_login`, password: `${role}-word` }).href;

function start(role: Role | 'migrate', env: Readonly<Record<string, string>>): RoleProcess {
  const child = startContainerRole(role, { ...settings, ...env });
  started.push(child);
  return child;
}

/** What a process other than `migrate` is given. */
const storesOf = (role: Role): Record<string, string> => ({
  DATABASE_URL: as(role, pooler.url),
  DATABASE_DIRECT_URL: as(role, stores.databaseUrl),
  DATABASE_REPLICA_URL: as(role, standby.url),
});

const ready = (child: RoleProcess, url: string): Promise<unknown> =>
  eventually(`${url} to be ready`, async () => (await fetch(url).catch(() => undefined))?.ok).catch((err: Error) =>
    expect.fail(`${err.message}\n${child.said()}`),
  );

beforeAll(async () => {
  stores = await startOwnStores();
  const folder = join(stores.dataDir, '..', 'replica');
  await copyOfPostgres(stores, folder);
  const port = await randomFreePort();
  api = `http://127.0.0.1:${port}`;
  pooler = await startPgBouncer(stores.databaseUrl, { logins: roles.map((role) => as(role, stores.databaseUrl)) });
  settings = {
    SALLYPORT_DATA_DIR: join(stores.dataDir, '..', 'product'),
    BETTER_AUTH_SECRET: Buffer.alloc(32, 7).toString('base64'),
    BETTER_AUTH_URL: api,
    HOST: '127.0.0.1',
    REDIS_URL: stores.redisUrl,
  };
  const migrated = start('migrate', {
    DATABASE_URL: stores.databaseUrl,
    ...Object.fromEntries(roles.map((role) => [`DATABASE_URL_${role.toUpperCase()}`, as(role, pooler.url)])),
  });
  expect(await migrated.exitCode(), migrated.said()).toBe(0);
  // The standby knows the logins, and from now on each commit half a minute late.
  standby = await startStandby(folder, stores.databaseUrl);
  await standby.caughtUp();
  await queryRows(standby.url)(`ALTER SYSTEM SET recovery_min_apply_delay = '${BEHIND_SECONDS}s'`);
  await queryRows(standby.url)`SELECT pg_reload_conf()`;

  const [mcpPort, apiMetrics, workerMetrics, mcpMetrics] = (
    await Promise.all(Array.from({ length: 4 }, () => randomFreePort()))
  ).map(String) as [string, string, string, string];
  const processes = [
    start('api', { ...storesOf('api'), PORT: String(port), METRICS_PORT: apiMetrics }),
    start('worker', { ...storesOf('worker'), METRICS_PORT: workerMetrics }),
    start('mcp', {
      ...storesOf('mcp'),
      MCP_PORT: mcpPort,
      MCP_URL: `http://127.0.0.1:${mcpPort}/mcp`,
      METRICS_PORT: mcpMetrics,
    }),
  ] as const;
  await ready(processes[0], `${api}/readyz`);
  await ready(processes[1], `http://127.0.0.1:${workerMetrics}/healthz`);
  await ready(processes[2], `http://127.0.0.1:${mcpPort}/readyz`);
});
afterAll(async () => {
  for (const { child } of started) child.kill('SIGKILL');
  await standby?.stop();
  await pooler?.dispose();
  await stores?.dispose();
});

test('signs in, issues, refreshes, revokes and seals with the login of each process', async () => {
  await smoke(
    api,
    JSON.parse(readFileSync(join(settings.SALLYPORT_DATA_DIR as string, 'dev-credentials.json'), 'utf8')),
  );
  await eventually('the events to be sealed', async () => {
    const [row] = await queryRows(stores.databaseUrl)<{ sealed: number }>`SELECT count(*)::int AS sealed
      FROM audit_events`;
    return (row?.sealed ?? 0) >= 10;
  });
  const logins = await queryRows(stores.databaseUrl)<{ login: string }>`SELECT DISTINCT usename::text AS login
    FROM pg_stat_activity WHERE application_name LIKE 'sallyport-%' ORDER BY 1`;
  expect(logins.map(({ login }) => login)).toEqual(roles.map((role) => `${role}_login`));
  expect(started.map((each) => each.said()).join('\n')).not.toMatch(/permission denied|42501/);
});

test('what must be fresh is never asked of a standby half a minute behind; a list of it says its time', async () => {
  const made = await runCli(
    'clients create Lists --credential-scopes users:read tokens:revoke --reason test --yes --json'.split(' '),
    { ...settings, DATABASE_URL: stores.databaseUrl },
  );
  expect(made.code, made.err).toBe(0);
  const headers = { authorization: basicHeader(JSON.parse(made.out)) };
  const email = 'late@example.test';
  const password = 'correct horse battery staple';
  expect((await send(api, 'POST', '/api/auth/signup', { json: { email, password, name: 'Late' } })).status).toBe(201);
  const changedAt = Date.now();
  // Sign-in, validation, refresh and revocation see at once what the standby does not have.
  const signedIn = await send(api, 'POST', '/api/auth/signin', { json: { email, password } });
  expect(signedIn.status, signedIn.text).toBe(200);
  const { access_token: token, refresh_token } = signedIn.body.tokens;
  const verdict = async (asked: string): Promise<string> => {
    const { body } = await send(api, 'POST', '/v1/tokens/validate', { json: { token: asked } });
    return body.active ? 'active' : body.reason;
  };
  expect(await verdict(token)).toBe('active');
  const revoke = () => send(api, 'POST', '/v1/tokens/revoke', { headers, json: { token, reason: 'test' } });
  const refreshed = await send(api, 'POST', '/v1/tokens/refresh', { json: { refresh_token } });
  expect(refreshed.status, refreshed.text).toBe(200);
  let revoked = await revoke();
  // A new client is known a moment later.
  for (; revoked.status === 401; revoked = await revoke()) await sleep(100);
  expect(revoked.status, revoked.text).toBe(200);
  await eventually('it to be refused', async () => (await verdict(token)) === 'revoked', REVOKED_BUSY_MS);

  const list = await send(api, 'GET', '/v1/admin/users', { headers });
  expect(list.status, list.text).toBe(200);
  const asOf = list.headers.get('as-of');
  expect(asOf, 'the list is of the standby').not.toBeNull();
  expect(Date.parse(asOf as string)).toBeLessThan(changedAt);
  expect(list.text).not.toContain(email);
});
