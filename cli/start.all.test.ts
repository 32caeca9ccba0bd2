// About: services/supervisor/ tools/bootstrap.mjs
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, chownSync, mkdirSync, readdirSync, readFileSync, statSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { testFolder } from '#tools/testing/test-folder.ts';
import { repositoryRoot } from '../services/platform/local/data-dir.ts';
import { randomFreePort } from '../services/platform/local/ports.ts';
import { findPostgresUrl } from '../services/platform/local/postgres.ts';
import { findRedisUrl } from '../services/platform/local/redis.ts';
import { userCan } from '../services/platform/local/service-user.ts';
import type { ReadyEvent } from '../services/supervisor/supervisor-harness.ts';
import { eventually } from '../tools/testing/eventually.ts';
import { program } from '../tools/testing/processes/programs.ts';

const main = program('cli');
/** Settings of a start with one process of each kind that it needs. */
const FEWEST = { MCP_COPIES: '0', HASHER_CHILDREN: '1' };
const unprivileged = { name: 'nobody', uid: 65_534, gid: 65_534 };
/** For a start or a restart: a failed one ends by itself, and on a busy machine one takes a minute. */
const PATIENCE_MS = 180_000;
const folder = testFolder();
let env: NodeJS.ProcessEnv;
let child: ChildProcess | undefined;
let out = '';
let err = '';

/** The whole product as `npm start` runs it. */
async function start(args: readonly string[], options: { env: NodeJS.ProcessEnv; uid?: number; gid?: number }) {
  out = '';
  err = '';
  const own = spawn(process.execPath, [main, 'start', ...args], { stdio: ['ignore', 'pipe', 'pipe'], ...options });
  child = own;
  own.stdout!.on('data', (part: Buffer) => {
    out += part;
  });
  own.stderr!.on('data', (part: Buffer) => {
    err += part;
  });
  return eventually(
    'the ready line',
    () => {
      if (own.exitCode !== null) throw new Error(`ended with ${own.exitCode}:\n${err}`);
      return out.includes('\n') ? (JSON.parse(out) as ReadyEvent) : undefined;
    },
    PATIENCE_MS,
  );
}

async function stop(): Promise<number | null> {
  if (child === undefined || child.exitCode !== null) return child?.exitCode ?? null;
  child.kill('SIGTERM');
  const [code] = (await once(child, 'exit')) as [number | null];
  return code;
}

beforeAll(async () => {
  chmodSync(folder, 0o755);
  const { DATABASE_URL: _database, REDIS_URL: _redis, BETTER_AUTH_SECRET: _secret, ...own } = process.env;
  env = {
    ...own,
    SALLYPORT_DATA_DIR: join(folder, 'data'),
    PORT: String(await randomFreePort()),
    METRICS_PORT: '0',
    LOG_LEVEL: 'error',
  };
});
afterEach(stop);

type Login = { readonly email: string; readonly password: string };
const credentialsOf = ({ credentials_file }: ReadyEvent): { user: Login } =>
  JSON.parse(readFileSync(credentials_file, 'utf8'));

async function signIn({ api }: ReadyEvent, login: Login): Promise<string> {
  const answer = await fetch(`${api}/api/auth/signin`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(login),
  });
  expect(answer.status).toBe(200);
  return ((await answer.json()) as { tokens: { access_token: string } }).tokens.access_token;
}

async function isActive({ api }: ReadyEvent, token: string): Promise<boolean> {
  const headers = { authorization: `Bearer ${token}` };
  const answer = await fetch(`${api}/v1/tokens/validate`, { method: 'POST', headers });
  return ((await answer.json()) as { active: boolean }).active;
}

/** Acts as an editor that saves a file without a change. */
function touch(path: string): void {
  const now = new Date();
  utimesSync(join(repositoryRoot, path), now, now);
}

describe('sallyport start', { timeout: 600_000 }, () => {
  test('start on an empty data directory lets the demo user sign in; a second start reuses the directory, and --watch restarts the processes when a source or migration changes', async () => {
    const dataDir = join(folder, 'data');
    const first = await start([], { env });
    expect(first.credentials_file).toBe(join(dataDir, 'dev-credentials.json'));
    expect(statSync(first.credentials_file).mode & 0o777).toBe(0o600);
    const { user } = credentialsOf(first);
    const token = await signIn(first, user);
    expect(await isActive(first, token)).toBe(true);
    expect((await (await fetch(first.metrics)).text()).includes('process="api-1"')).toBe(true);

    const children = [
      { name: 'api-1', pid: first.pids.api },
      { name: 'worker-1', pid: first.pids.worker },
    ];
    const status = await promisify(execFile)(process.execPath, [main, 'status', '--json'], { env });
    expect(JSON.parse(status.stdout)).toMatchObject({
      data_dir: dataDir,
      postgres: 'running',
      redis: 'running',
      running: [{ pid: child!.pid, api: first.api, ready: true, children }],
    });

    expect(await stop()).toBe(0);
    expect(out.trimEnd().split('\n')).toHaveLength(1);
    expect([findPostgresUrl(dataDir), findRedisUrl(dataDir)]).toEqual([undefined, undefined]);

    // The first start had every process; the others are about what the supervisor does with the fewest.
    const second = await start(['--watch'], { env: { ...env, ...FEWEST } });
    expect(second.api).toBe(first.api);
    expect(credentialsOf(second).user).toEqual(user);
    expect(await isActive(second, token)).toBe(true);
    const curls = (): number => err.split(`try: curl -s ${second.api}/readyz`).length - 1;
    await eventually('the ready curl of the watch loop', () => curls() === 1 || undefined, PATIENCE_MS);

    const [migration] = readdirSync(join(repositoryRoot, 'prisma/migrations')).sort();
    for (const [nth, path] of [
      'services/core/shared/answer.ts',
      `prisma/migrations/${migration}/migration.sql`,
    ].entries()) {
      touch(path);
      await eventually(`a restart after ${path}\n${err}`, () => curls() >= nth + 2 || undefined, PATIENCE_MS);
      expect(err).toContain(`${path.slice(path.indexOf('/') + 1)} changed`);
      expect(await isActive(second, token)).toBe(true);
    }
    expect(await stop()).toBe(0);
  });

  // Other users cannot start a repository whose path they cannot enter (under /root).
  const canTry = process.getuid?.() === 0 && userCan(unprivileged, '-r', main);

  test.runIf(canTry)(
    'a user without root rights starts the whole product in a separate data directory, and signs in',
    async () => {
      const home = join(folder, 'home');
      mkdirSync(home);
      chownSync(home, unprivileged.uid, unprivileged.gid);
      const own = {
        ...env,
        ...FEWEST,
        HOME: home,
        TMPDIR: home,
        SALLYPORT_DATA_DIR: join(home, 'data'),
        NODE_V8_COVERAGE: '',
      };
      const ready = await start([], { env: own, uid: unprivileged.uid, gid: unprivileged.gid });
      expect(await isActive(ready, await signIn(ready, credentialsOf(ready).user))).toBe(true);
      const owners = [child!.pid, ready.pids.api, ready.pids.worker].map((pid) => statSync(`/proc/${pid}`).uid);
      expect(owners).toEqual([unprivileged.uid, unprivileged.uid, unprivileged.uid]);
      expect(await stop()).toBe(0);
      expect([findPostgresUrl(join(home, 'data')), findRedisUrl(join(home, 'data'))]).toEqual([undefined, undefined]);
    },
  );

  test('a start that fails before it is ready prints nothing about requests in flight', async () => {
    const nowhere = {
      DATABASE_URL: 'postgres://absent:x@127.0.0.1:1/none',
      REDIS_URL: 'redis://127.0.0.1:1/0',
      STORE_WAIT_SECONDS: '1',
    };
    const failed = promisify(execFile)(process.execPath, [main, 'start'], { env: { ...env, ...nowhere } });
    const { stderr } = await failed.then(
      () => expect.unreachable('it started'),
      (err: { stderr: string }) => err,
    );
    expect(stderr).toContain('stopping (the start failed) …');
    expect(stderr).toContain('DATABASE_URL');
  });

  test('start warns about demo users if NODE_ENV is production and no profile is set; a set profile silences it', async () => {
    const said = async (changes: NodeJS.ProcessEnv): Promise<string> =>
      (await promisify(execFile)(process.execPath, [main, 'start', '--dry-run'], { env: { ...env, ...changes } }))
        .stderr;
    expect(await said({ NODE_ENV: 'production' })).toMatch(/WARNING: .*SALLYPORT_PROFILE=production/);
    expect(await said({ NODE_ENV: 'production', SALLYPORT_PROFILE: 'development' })).toBe('');
  });
});
