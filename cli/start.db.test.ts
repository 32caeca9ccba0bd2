import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { randomFreePort } from '../services/platform/local/ports.ts';
import { findPostgresUrl } from '../services/platform/local/postgres.ts';
import { findRedisUrl } from '../services/platform/local/redis.ts';
import { eventually, type ReadyEvent } from '../services/supervisor/testing.ts';

const main = new URL('./main.ts', import.meta.url).pathname;
let folder: string;
let env: NodeJS.ProcessEnv;
let child: ChildProcess;
let out = '';
let err = '';

/** The whole product as `npm start` runs it, on an empty data directory. */
async function start(...args: string[]): Promise<ReadyEvent> {
  out = '';
  err = '';
  child = spawn(process.execPath, [main, 'start', ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  child.stdout!.on('data', (part: Buffer) => {
    out += part;
  });
  child.stderr!.on('data', (part: Buffer) => {
    err += part;
  });
  return eventually('the ready line', () => {
    if (child.exitCode !== null) throw new Error(`ended with ${child.exitCode}:\n${err}`);
    return out.includes('\n') ? (JSON.parse(out) as ReadyEvent) : undefined;
  });
}

async function stop(): Promise<number | null> {
  if (child.exitCode !== null) return child.exitCode;
  child.kill('SIGTERM');
  const [code] = (await once(child, 'exit')) as [number | null];
  return code;
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sallyport-start-'));
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
afterAll(async () => {
  await stop();
  rmSync(folder, { recursive: true, force: true });
});

describe('sallyport start', { timeout: 180_000 }, () => {
  test('an empty data directory becomes a platform on which the demo user signs in; a second start reuses it', async () => {
    const dataDir = join(folder, 'data');
    const first = await start();
    expect(first.credentials_file).toBe(join(dataDir, 'dev-credentials.json'));
    expect(statSync(first.credentials_file).mode & 0o777).toBe(0o600);
    const credentials = JSON.parse(readFileSync(first.credentials_file, 'utf8'));
    const signIn = async (api: string): Promise<{ tokens: { access_token: string } }> => {
      const answer = await fetch(`${api}/api/auth/signin`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(credentials.user),
      });
      expect(answer.status).toBe(200);
      return (await answer.json()) as { tokens: { access_token: string } };
    };
    const { tokens } = await signIn(first.api);
    const validate = async (api: string): Promise<boolean> => {
      const headers = { authorization: `Bearer ${tokens.access_token}` };
      const answer = await fetch(`${api}/v1/tokens/validate`, { method: 'POST', headers });
      return ((await answer.json()) as { active: boolean }).active;
    };
    expect(await validate(first.api)).toBe(true);
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
      running: [{ pid: child.pid, api: first.api, ready: true, children }],
    });

    expect(await stop()).toBe(0);
    expect(out.trimEnd().split('\n')).toHaveLength(1);
    expect([findPostgresUrl(dataDir), findRedisUrl(dataDir)]).toEqual([undefined, undefined]);

    const second = await start('--watch');
    expect(second.api).toBe(first.api);
    expect(JSON.parse(readFileSync(second.credentials_file, 'utf8')).user).toEqual(credentials.user);
    expect(await validate(second.api)).toBe(true);
    await eventually(
      'the ready curl of the watch loop',
      () => err.includes(`try: curl -s ${second.api}/readyz`) || undefined,
    );
    expect(await stop()).toBe(0);
  });
});
