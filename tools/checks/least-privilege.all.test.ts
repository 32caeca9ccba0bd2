// About: deploy/
// The product as processes with a login of PostgreSQL and a user of Redis each, as docs/how-to/run-in-production.md has it.
import { type ChildProcess, spawn } from 'node:child_process';
import { hash, randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { rehearseRestoreJob } from '#jobs/contracts/operations.ts';
import { randomFreePort } from '#services/platform/local/ports.ts';
import { ensureRedisBinary } from '#services/platform/local/redis-binary.ts';
import { createProducer } from '#services/platform/queue/producer.ts';
import { eventually } from '#tools/testing/eventually.ts';
import { queryRows } from '#tools/testing/harness/ports.ts';
import { onServer } from '#tools/testing/harness/stores.ts';
import { type RoleProcess, startContainerRole } from '#tools/testing/processes/container-role.ts';
import { smoke } from '../stack/smoke.ts';

// Four processes start one after another: more than the usual time limit allows on a busy machine.
const root = resolve(import.meta.dirname, '../..');
const suffix = randomBytes(5).toString('hex');
const database = `least_${suffix}`;
/** By process: its login of PostgreSQL, the group roles that give it rights, and its user of Redis. */
const processes = {
  api: { login: `api_${suffix}`, groups: 'sallyport_api', redisUser: 'sallyport_api' },
  mcp: { login: `mcp_${suffix}`, groups: 'sallyport_mcp', redisUser: 'sallyport_mcp' },
  worker: {
    login: `worker_${suffix}`,
    groups: 'sallyport_worker, sallyport_log_sealer',
    redisUser: 'sallyport_worker',
  },
} as const;
type Role = keyof typeof processes;
/** The login that a rehearsal of a restore has at another server. */
const drill = `drill_${suffix}`;

let folder: string;
let redis: ChildProcess;
let redisPort: number;
let owner: string;
let api: string;
let operator: Redis;
const started: RoleProcess[] = [];

const loginUrl = (role: Role): string => {
  const url = new URL(owner);
  Object.assign(url, { username: processes[role].login, password: 'own' });
  return url.href;
};
const redisUrl = (role: Role): string => `redis://${processes[role].redisUser}:${role}-word@127.0.0.1:${redisPort}/0`;

/** The file of the repository with a password for each user, and an operator who looks at it from outside. */
function usersFile(): string {
  const digest = (word: string): string => `#${hash('sha256', word)}`;
  const lines = readFileSync(join(root, 'deploy/redis/users.acl'), 'utf8').trim().split('\n');
  const named = lines.map((line) => {
    const role = (['api', 'mcp', 'worker'] as const).find((each) =>
      line.startsWith(`user ${processes[each].redisUser} `),
    );
    return role === undefined ? line : `${line} ${digest(`${role}-word`)}`;
  });
  const path = join(folder, 'users.acl');
  writeFileSync(path, [...named, `user operator on ~* &* +@all ${digest('operator-word')}`, ''].join('\n'));
  return path;
}

async function start(role: Role | 'migrate', env: Record<string, string>): Promise<RoleProcess> {
  const child = startContainerRole(role, {
    SALLYPORT_DATA_DIR: join(folder, 'data'),
    BETTER_AUTH_SECRET: Buffer.alloc(32, 7).toString('base64'),
    BETTER_AUTH_URL: api,
    RATE_LIMIT_CREDENTIAL_PER_MINUTE: '100',
    HOST: '127.0.0.1',
    DATABASE_URL: role === 'migrate' ? owner : loginUrl(role),
    REDIS_URL: redisUrl(role === 'migrate' ? 'api' : role),
    ...env,
  });
  started.push(child);
  return child;
}

async function untilOk(child: RoleProcess, url: string): Promise<void> {
  await eventually(`${url} to be ready`, () =>
    fetch(url).then(
      ({ ok }) => ok || undefined,
      () => undefined,
    ),
  ).catch((err) => expect.fail(`${(err as Error).message}\n${child.said()}`));
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sallyport-least-'));
  redisPort = await randomFreePort();
  const words = ['--port', String(redisPort), '--bind', '127.0.0.1', '--save', '', '--dir', folder];
  redis = spawn(await ensureRedisBinary(() => {}), [...words, '--aclfile', usersFile()], { stdio: 'ignore' });
  operator = new Redis(`redis://operator:operator-word@127.0.0.1:${redisPort}/0`);
  operator.on('error', () => {});
  await onServer((admin) => admin.query(`CREATE DATABASE ${database}`));
  const url = new URL(inject('templateUrl'));
  url.pathname = `/${database}`;
  owner = url.href;
  const ports = await Promise.all(Array.from({ length: 5 }, () => randomFreePort()));
  const [port, mcpPort, apiMetrics, workerMetrics, mcpMetrics] = ports.map(String) as [
    string,
    string,
    string,
    string,
    string,
  ];
  api = `http://127.0.0.1:${port}`;
  const migrated = await start('migrate', {});
  expect(await migrated.exitCode(), migrated.said()).toBe(0);
  for (const { login, groups } of Object.values(processes))
    await queryRows(owner)(`CREATE ROLE ${login} LOGIN PASSWORD 'own' IN ROLE ${groups}`);
  const one = await start('api', { PORT: port, METRICS_PORT: apiMetrics });
  await queryRows(owner)(`CREATE ROLE ${drill} LOGIN PASSWORD 'own'`);
  const drillUrl = new URL(owner);
  Object.assign(drillUrl, { pathname: '/postgres', username: drill, password: 'own' });
  const two = await start('worker', { METRICS_PORT: workerMetrics, RESTORE_DRILL_URL: drillUrl.href });
  const three = await start('mcp', {
    MCP_PORT: mcpPort,
    MCP_URL: `http://127.0.0.1:${mcpPort}/mcp`,
    METRICS_PORT: mcpMetrics,
  });
  await untilOk(one, `${api}/readyz`);
  await untilOk(two, `http://127.0.0.1:${workerMetrics}/healthz`);
  await untilOk(three, `http://127.0.0.1:${mcpPort}/readyz`);
});
afterAll(async () => {
  for (const { child } of started) child.kill('SIGKILL');
  operator?.disconnect();
  redis?.kill('SIGKILL');
  await onServer((admin) => admin.query(`DROP DATABASE IF EXISTS ${database} WITH (FORCE)`));
  // A worker that was killed in the midst of a rehearsal leaves its database to the next one.
  await onServer(async (admin) => {
    const { rows } = await admin.query(
      `SELECT datname AS name FROM pg_database JOIN pg_roles r ON r.oid = datdba WHERE rolname = '${drill}'`,
    );
    for (const { name } of rows) await admin.query(`DROP DATABASE ${name} WITH (FORCE)`);
  });
  for (const login of [...Object.values(processes).map((each) => each.login), drill])
    await onServer((admin) => admin.query(`DROP ROLE IF EXISTS ${login}`));
  rmSync(folder, { recursive: true, force: true });
});

describe('the product with the least privileges', () => {
  test('signs in, issues, refreshes, revokes and seals; neither store refuses it a command', async () => {
    await smoke(api, JSON.parse(readFileSync(join(folder, 'data/dev-credentials.json'), 'utf8')));
    await eventually('the events to be sealed', async () => {
      const [row] = await queryRows(owner)<{ sealed: number }>`SELECT count(*)::int AS sealed FROM audit_events`;
      return (row?.sealed ?? 0) >= 10 || undefined;
    });
    const logins = await queryRows(owner)<{ login: string }>`
      SELECT DISTINCT usename::text AS login FROM pg_stat_activity
       WHERE datname = current_database() AND application_name LIKE 'sallyport-%' ORDER BY 1`;
    expect(logins.map(({ login }) => login)).toEqual([
      processes.api.login,
      processes.mcp.login,
      processes.worker.login,
    ]);
    const denied = (await operator.call('ACL', 'LOG')) as string[][];
    expect(denied.map((entry) => entry.slice(0, 10).join(' '))).toEqual([]);
    expect(started.map((each) => each.said()).join('\n')).not.toMatch(/permission denied|NOPERM/);
  });

  test.each([
    ['api', 'UPDATE users SET email = email', null],
    ['api', 'DELETE FROM audit_events', 'audit_events'],
    ['api', 'INSERT INTO audit_checkpoints SELECT * FROM audit_checkpoints', 'audit_checkpoints'],
    ['api', 'SET ROLE sallyport_log_sealer', 'sallyport_log_sealer'],
    ['api', 'SET ROLE sallyport_app', 'sallyport_app'],
    ['api', 'UPDATE job_schedules SET next_run_at = now()', 'job_schedules'],
    ['mcp', 'INSERT INTO refresh_families SELECT * FROM refresh_families', 'refresh_families'],
    ['worker', 'INSERT INTO refresh_families SELECT * FROM refresh_families', 'refresh_families'],
    ['worker', 'INSERT INTO api_keys SELECT * FROM api_keys', 'api_keys'],
    ['worker', 'UPDATE key_policy SET algorithm = algorithm', 'key_policy'],
    ['worker', 'SET ROLE sallyport_app', 'sallyport_app'],
    ['worker', 'UPDATE audit_events SET outcome = outcome', 'audit_events'],
    ['worker', 'ALTER TABLE users ADD mine text', 'users'],
    ['worker', 'TRUNCATE audit_tiles', 'audit_tiles'],
    ['worker', 'CREATE ROLE mine', 'create role'],
  ] as const)('the login of the %s: %s', async (role, statement, refused) => {
    const done = queryRows(loginUrl(role))(statement);
    if (refused === null) await done;
    else await expect(done).rejects.toMatchObject({ code: '42501', message: expect.stringContaining(refused) });
  });

  test.each([
    ['api', ['flushall']],
    ['api', ['config', 'get', '*']],
    ['api', ['keys', '*']],
    ['api', ['get', 'of another application']],
    ['api', ['publish', 'channel', 'text']],
    ['api', ['client', 'list']],
    ['api', ['bzpopmin', '{sallyport}:audit-seal:marker', '1']],
    ['mcp', ['get', 'auth:{session}']],
    ['mcp', ['set', 'sallyport:token:x', 'forged']],
    ['mcp', ['bzpopmin', '{sallyport}:audit-seal:marker', '1']],
    ['mcp', ['script', 'flush']],
    ['worker', ['set', 'sallyport:token:x', 'forged']],
    ['worker', ['xadd', 'sp:revocations', '*', 'epoch', '1']],
    ['worker', ['get', 'auth:{session}']],
    ['worker', ['del', 'limits:{login:x}']],
    ['worker', ['acl', 'list']],
    ['worker', ['shutdown', 'nosave']],
  ] as const)('the user of the %s in Redis may not %j', async (role, [command, ...words]) => {
    const client = new Redis(redisUrl(role), { maxRetriesPerRequest: 0 });
    await expect(client.call(command, ...words)).rejects.toThrow(/^NOPERM/);
    client.disconnect();
  });

  test('without a name there is no entry', async () => {
    const client = new Redis(`redis://127.0.0.1:${redisPort}/0`, { maxRetriesPerRequest: 0, lazyConnect: true });
    client.on('error', () => {});
    await expect(client.connect().then(() => client.ping())).rejects.toThrow(/NOAUTH|closed/);
    client.disconnect();
  });

  test('rehearses a restore with a login that may only create databases, and names the right that it lacks before', async () => {
    const producer = createProducer(`redis://operator:operator-word@127.0.0.1:${redisPort}/0`, () => {});
    const rehearsed = async (jobId: string, outcome: 'ok' | 'failed') => {
      await producer.enqueue(rehearseRestoreJob, {}, { jobId });
      // The timetable has the job run too, soon after the first start.
      return eventually('the rehearsal to be recorded', async () => {
        const [event] = await queryRows(owner)<{ detail: Record<string, unknown> }>`SELECT detail FROM audit_events
          WHERE type = 'operations.restore_rehearsed' AND outcome = ${outcome} ORDER BY seq`;
        return event?.detail;
      });
    };
    try {
      await producer.ready(30_000);
      expect(await rehearsed('refused', 'failed')).toEqual({ code: 'restore_drill_not_allowed' });
      await queryRows(owner)(`ALTER ROLE ${drill} CREATEDB`);
      const done = await rehearsed('allowed', 'ok');
      expect(done).toMatchObject({ backup: 'fresh', orphans: 0 });
      expect(done.events).toBeGreaterThanOrEqual(10);
      expect(await queryRows(owner)(`SELECT rolsuper, rolcreaterole FROM pg_roles WHERE rolname = '${drill}'`)).toEqual(
        [{ rolsuper: false, rolcreaterole: false }],
      );
    } finally {
      await producer.close();
    }
  });
});
