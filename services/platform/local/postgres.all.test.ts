// About: services/platform/local/
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { afterEach, beforeEach, describe, expect, inject, onTestFinished, test } from 'vitest';
import { asShipped } from '#tools/testing/harness/busy-machine.ts';
import { copyCluster } from '#tools/testing/processes/prepared-cluster.ts';
import { testFolder } from '#tools/testing/test-folder.ts';
import { isSameProcessAlive } from './file-lock.mjs';
import { findPostgresUrl, startPostgres } from './postgres.ts';
import { readState, recordProcess, sendSignal, stopProcess } from './processes.ts';
import type { LocalService } from './shared-service.ts';

asShipped();

let folder: string;
let dataDir: string;
let said: string[];
const services: LocalService[] = [];

beforeEach(async () => {
  folder = testFolder(onTestFinished);
  chmodSync(folder, 0o755);
  dataDir = join(folder, 'data');
  await copyCluster(inject('clusterDir'), dataDir);
  said = [];
});
afterEach(async () => {
  for (const service of services.splice(0)) await service.stop();
});

async function start(): Promise<LocalService> {
  const service = await startPostgres({ dataDir, say: (text) => said.push(text) });
  services.push(service);
  return service;
}

async function query<T extends pg.QueryResultRow>(url: string, sql: string): Promise<T[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<T>(sql)).rows;
  } finally {
    await client.end();
  }
}

const state = (): NonNullable<ReturnType<typeof readState>> => readState(join(dataDir, 'run/postgres.json'))!;
const urlNow = (): string => findPostgresUrl(dataDir)!;
const serverUser = (): { uid: number; gid: number } => {
  const { uid, gid } = statSync(join(dataDir, 'postgres-18'));
  return { uid, gid };
};
/** Writes the lock file that a postmaster with this pid would leave. */
const writeLockFile = (pid: number): void => {
  const lines = [pid, join(dataDir, 'postgres-18'), 1, state().port, '', '127.0.0.1', '', 'ready', ''];
  writeFileSync(join(dataDir, 'postgres-18/postmaster.pid'), lines.join('\n'));
};
const processGroup = (pid: number): number => {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[2]);
};

describe('embedded Postgres', () => {
  test('Postgres is durable, listens on this machine only, and requires the password from every client', async () => {
    const { url, startedByUs } = await start();
    expect(startedByUs).toBe(true);
    const rows = await query<{ name: string; setting: string }>(
      url,
      `SELECT name, setting FROM pg_settings WHERE name IN ('fsync', 'synchronous_commit', 'full_page_writes',
         'data_checksums', 'listen_addresses', 'unix_socket_directories', 'server_encoding') ORDER BY name`,
    );
    expect(Object.fromEntries(rows.map(({ name, setting }) => [name, setting]))).toEqual({
      data_checksums: 'on',
      fsync: 'on',
      full_page_writes: 'on',
      listen_addresses: '127.0.0.1',
      server_encoding: 'UTF8',
      synchronous_commit: 'on',
      unix_socket_directories: '',
    });
    const wrong = new URL(url);
    wrong.password = 'wrong';
    await expect(query(wrong.href, 'SELECT 1')).rejects.toMatchObject({ code: '28P01' });
    wrong.username = 'postgres';
    await expect(query(wrong.href, 'SELECT 1')).rejects.toMatchObject({ code: '28P01' });
    expect(statSync(join(dataDir, 'postgres-password')).mode & 0o777).toBe(0o600);
    expect(statSync(join(dataDir, 'postgres-18')).mode & 0o777).toBe(0o700);
  });

  test('a signal to our process group does not reach Postgres, which leads its own', async () => {
    await start();
    expect(processGroup(state().pid)).toBe(state().pid);
  });

  test('the log holds no values of a failed statement', async () => {
    const { url } = await start();
    await query(url, 'CREATE TABLE person (email text PRIMARY KEY)');
    await query(url, "INSERT INTO person VALUES ('someone@example.test')");
    await expect(query(url, "INSERT INTO person VALUES ('someone@example.test')")).rejects.toMatchObject({
      code: '23505',
    });
    await expect(query(url, "SELECT 'someone@example.test' FROM absent")).rejects.toMatchObject({ code: '42P01' });
    await services.splice(0)[0]!.stop();
    const log = readFileSync(join(dataDir, 'run/postgres.log'), 'utf8');
    expect(log).toContain('duplicate key');
    expect(log).not.toContain('someone@example.test');
  });

  test('stop ends Postgres, and the next start uses the same data, password and port', async () => {
    const first = await start();
    await query(first.url, 'CREATE TABLE kept AS SELECT 42 AS id');
    await first.stop();
    expect(isSameProcessAlive(state())).toBe(false);
    expect(findPostgresUrl(dataDir)).toBeUndefined();
    const second = await start();
    expect(second).toMatchObject({ url: first.url, startedByUs: true });
    expect(await query(second.url, 'SELECT id FROM kept')).toEqual([{ id: 42 }]);
    expect(findPostgresUrl(dataDir)).toBe(second.url);
  });

  test('Postgres takes a new port if another program uses the previous one', async () => {
    const first = await start();
    await first.stop();
    const occupier = createServer();
    await new Promise<void>((done) => occupier.listen(state().port, '127.0.0.1', done));
    const second = await start();
    expect(second.url).not.toBe(first.url);
    expect(await query(second.url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    occupier.close();
  });

  test('after SIGKILL of the postmaster the next start ignores the stale lock file and recovers committed data', async () => {
    const first = await start();
    await query(first.url, 'CREATE TABLE kept AS SELECT 42 AS id');
    await stopProcess(state(), []);
    expect(existsSync(join(dataDir, 'postgres-18/postmaster.pid'))).toBe(true);
    const second = await start();
    expect(second.startedByUs).toBe(true);
    expect(await query(second.url, 'SELECT id FROM kept')).toEqual([{ id: 42 }]);
  });

  test.each(['/bin/sleep', '/usr/lib/postgresql/bin/postgres'])(
    'a stale lock file whose pid now belongs to another program (%s) does not prevent the start',
    async (argv0) => {
      const first = await start();
      await first.stop();
      const stranger = spawn('/bin/sleep', ['600'], { ...serverUser(), argv0, stdio: 'ignore' });
      writeLockFile(stranger.pid!);
      const second = await start();
      expect(second.startedByUs).toBe(true);
      expect(stranger.exitCode).toBeNull();
      stranger.kill('SIGKILL');
    },
  );

  test('a killed postmaster that its parent never reaps does not prevent the start', async () => {
    const first = await start();
    await first.stop();
    // The shell executes a program that never waits, so its child stays a zombie as long as that program runs.
    const parent = spawn('/bin/sh', ['-c', 'sleep 600 & echo $!; exec sleep 600'], {
      ...serverUser(),
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const [zombie] = (await once(parent.stdout, 'data')).map((part: Buffer) => Number(part.toString().trim()));
    // The shell itself would reap it.
    while (readFileSync(`/proc/${parent.pid}/comm`, 'utf8') !== 'sleep\n') await sleep(5);
    process.kill(zombie!, 'SIGKILL');
    while (!/\) Z /.test(readFileSync(`/proc/${zombie}/stat`, 'utf8'))) await sleep(5);
    writeLockFile(zombie!);
    expect((await start()).startedByUs).toBe(true);
    parent.kill('SIGKILL');
  });

  test('a backend that outlives its killed postmaster is ended, and committed data is recovered', async () => {
    const first = await start();
    const client = new pg.Client({ connectionString: first.url });
    client.on('error', () => {});
    await client.connect();
    await client.query('CREATE TABLE kept AS SELECT 42 AS id');
    const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
    const backend = recordProcess(rows[0]!.pid);
    // A stopped backend cannot notice that its postmaster has ended.
    sendSignal(backend.pid, 'SIGSTOP');
    sendSignal(state().pid, 'SIGKILL');
    const second = await start();
    expect(second.startedByUs).toBe(true);
    expect(isSameProcessAlive(backend)).toBe(false);
    expect(await query(second.url, 'SELECT id FROM kept')).toEqual([{ id: 42 }]);
  });

  test('a stopped server is reported with host, port and cause, and is not ended', async () => {
    const first = await start();
    const { pid, port } = state();
    sendSignal(pid, 'SIGSTOP');
    await expect(startPostgres({ dataDir, say: () => {}, waitMs: 1_000 })).rejects.toMatchObject({
      code: 'postgres_not_answering',
      message: `Postgres (pid ${pid}) on 127.0.0.1:${port} runs on this data directory and does not answer: timed out after 1 s`,
    });
    sendSignal(pid, 'SIGCONT');
    expect(await query(first.url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
  });

  // SALLYPORT_CRASHES=200 repeats it more often.
  const crashes = Number(process.env.SALLYPORT_CRASHES ?? 5);
  test(
    `after each of ${crashes} crashes in a row the next start finds the committed data`,
    async () => {
      const first = await start();
      const { port } = state();
      await query(first.url, 'CREATE TABLE kept (id int PRIMARY KEY)');
      const busy: pg.Client[] = [];
      for (let crash = 1; crash <= crashes; crash += 1) {
        const client = new pg.Client({ connectionString: urlNow() });
        client.on('error', () => {});
        await client.connect();
        await client.query('INSERT INTO kept VALUES ($1)', [crash]);
        // Busy when its postmaster dies: it notices at its next wait.
        client.query('SELECT count(*) FROM generate_series(1, 2000000)').catch(() => {});
        busy.push(client);
        sendSignal(state().pid, 'SIGKILL');
        expect((await start()).startedByUs).toBe(true);
        expect(await query(urlNow(), 'SELECT count(*)::int AS n FROM kept')).toEqual([{ n: crash }]);
      }
      expect(state().port).toBe(port);
      for (const client of busy) await client.end().catch(() => {});
    },
    60_000 + crashes * 10_000,
  );

  test('Postgres keeps running when the first of two users stops', async () => {
    const [one, two] = await Promise.all([start(), start()]);
    expect([one.startedByUs, two.startedByUs].sort()).toEqual([false, true]);
    expect(one.url).toBe(two.url);
    await one.stop();
    await one.stop();
    expect(await query(two.url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    await two.stop();
    expect(isSameProcessAlive(state())).toBe(false);
  });

  test('the next start removes an incomplete cluster and creates a complete one', async () => {
    dataDir = join(folder, 'new');
    const script = `import { startPostgres } from ${JSON.stringify(new URL('./postgres.ts', import.meta.url).href)};
      await startPostgres({ dataDir: ${JSON.stringify(dataDir)}, say: () => {} });`;
    const options = { stdio: 'ignore', detached: true } as const;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], options);
    const partials = (): string[] => readdirSync(dataDir).filter((name) => name.includes('.new-'));
    while (!existsSync(dataDir) || !partials().some((name) => existsSync(join(dataDir, name, 'base')))) await sleep(5);
    process.kill(-child.pid!, 'SIGKILL');
    await once(child, 'exit');
    expect(existsSync(join(dataDir, 'postgres-18'))).toBe(false);
    expect(await query((await start()).url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    expect(partials()).toEqual([]);
  });

  test('a lost password is an error with its fix, and the cluster stays unchanged', async () => {
    const first = await start();
    await first.stop();
    rmSync(join(dataDir, 'postgres-password'));
    await expect(start()).rejects.toMatchObject({
      code: 'postgres_password_lost',
      fix: expect.stringContaining('postgres-password'),
    });
    expect(existsSync(join(dataDir, 'postgres-18/PG_VERSION'))).toBe(true);
    expect(isSameProcessAlive(state())).toBe(false);
  });
});
