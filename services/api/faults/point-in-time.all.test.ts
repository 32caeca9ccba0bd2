// About: services/core/health/
import { execFile, spawnSync } from 'node:child_process';
import { chownSync, cpSync, existsSync, globSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { afterEach, describe, expect, test } from 'vitest';
import { randomFreePort } from '#services/platform/local/ports.ts';
import { createFileMarks } from '#services/platform/marks/file-marks.ts';
import { migrate } from '#services/platform/postgres/migrate.ts';
import { call, issued, type Pair, userInsert } from '#services/wings/recovery/restore-harness.ts';
import { type ApiCopy, newAuthSecret, newClient, startApiCopy, type TestClient } from '#tools/testing/harness/api.ts';
import { queryRows } from '#tools/testing/harness/ports.ts';
import { testRedisUrl } from '#tools/testing/harness/stores.ts';
import { runCli } from '#tools/testing/processes/run-cli.ts';

const bin = globSync('/usr/lib/postgresql/*/bin/pg_basebackup').sort().map(dirname).at(-1);
const isRoot = process.getuid?.() === 0;
if (bin === undefined) console.warn('SKIPPED: recovery to a point in time: no PostgreSQL server of the system here');

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

/** The server refuses to run as root. */
const idOf = (flag: string): number => Number(spawnSync('id', [flag, 'postgres'], { encoding: 'utf8' }).stdout);
const owner = isRoot ? { uid: idOf('-u'), gid: idOf('-g') } : {};
const run = (program: string, args: readonly string[]) =>
  promisify(execFile)(join(bin as string, program), [...args], { ...owner, cwd: '/', env: { LC_ALL: 'C' } });

type Server = { readonly url: string; stop(): Promise<unknown> };

async function startServer(folder: string, data: string): Promise<Server> {
  const port = await randomFreePort();
  const options = `-c port=${port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=off`;
  await run('pg_ctl', ['start', '-w', '-D', data, '-l', join(folder, 'log'), '-o', options]);
  const stop = () => run('pg_ctl', ['stop', '-m', 'fast', '-D', data]).catch(() => {});
  closing.unshift(stop);
  return { url: `postgres://sallyport@127.0.0.1:${port}/sallyport`, stop };
}

/** A server that archives its WAL into a folder, with a base backup from before everything that a test does. */
async function openArchivedServer() {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-pitr-'));
  closing.push(() => rmSync(folder, { recursive: true, force: true }));
  const [data, archive, base, marksDir] = ['data', 'archive', 'base', 'marks'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
    string,
  ];
  mkdirSync(archive);
  mkdirSync(marksDir);
  if (owner.uid !== undefined) for (const each of [folder, archive]) chownSync(each, owner.uid, owner.gid);
  await run('initdb', ['-D', data, '-U', 'sallyport', '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync']);
  const archiving = `wal_level = replica\narchive_mode = on\narchive_command = 'test ! -f ${archive}/%f && cp %p ${archive}/%f'\n`;
  writeFileSync(join(data, 'postgresql.auto.conf'), archiving);
  const server = await startServer(folder, data);
  await queryRows(server.url.replace(/sallyport$/, 'postgres'))`CREATE DATABASE sallyport`;
  await migrate(server.url);
  await run('pg_basebackup', ['-d', server.url, '-D', base, '-c', 'fast', '-X', 'none']);
  return {
    server,
    marksDir,
    now: async () => (await queryRows(server.url)<{ at: string }>`SELECT clock_timestamp()::text AS at`)[0]!.at,
    /** Everything that is committed is in the archive. */
    async archiveAll() {
      const [{ name } = { name: '' }] = await queryRows(server.url)<{ name: string }>`
        SELECT pg_walfile_name(pg_current_wal_lsn()) AS name FROM pg_switch_wal()`;
      await expect
        .poll(() => globSync('*', { cwd: archive }).some((each) => each >= name), { timeout: 30_000 })
        .toBe(true);
    },
    /** Recovers the base backup to a time, or to the end of the archive. */
    async recover(name: string, time?: string): Promise<Server> {
      const to = join(folder, name);
      cpSync(base, to, { recursive: true, preserveTimestamps: true });
      const target = time ? `recovery_target_time = '${time}'\nrecovery_target_action = 'promote'\n` : '';
      writeFileSync(join(to, 'postgresql.auto.conf'), `restore_command = 'cp ${archive}/%f %p'\n${target}`);
      writeFileSync(join(to, 'recovery.signal'), '');
      if (owner.uid !== undefined) spawnSync('chown', ['-R', `${owner.uid}:${owner.gid}`, to]);
      spawnSync('chmod', ['700', to]);
      const recovered = await startServer(folder, to);
      await expect
        .poll(() => queryRows(recovered.url)<{ is: boolean }>`SELECT pg_is_in_recovery() AS is`, { timeout: 30_000 })
        .toEqual([{ is: false }]);
      return recovered;
    },
  };
}

const validate = async (copy: ApiCopy, { access_token }: Pair) =>
  (await call(copy, '/v1/tokens/validate', { token: access_token })).body;
const revoke = async (copy: ApiCopy, pair: Pair, client: TestClient): Promise<void> => {
  for (const token of [pair.access_token, pair.refresh_token])
    expect((await call(copy, '/v1/tokens/revoke', { token, reason: 'stolen' }, client)).status).toBe(200);
};

describe.skipIf(bin === undefined)('recovery to a point in time', () => {
  test('is refused until the feed proves what is missing or the loss is accepted, and no revoked token is accepted', async () => {
    const { server, marksDir, now, archiveAll, recover } = await openArchivedServer();
    const redisUrl = testRedisUrl();
    const authSecret = newAuthSecret();
    const copyOn = async (databaseUrl: string, dir = marksDir): Promise<ApiCopy> => {
      const env = { REVOCATION_STALENESS_MS: '30000' };
      const copy = await startApiCopy({ databaseUrl, redisUrl, authSecret, marksDir: dir, env });
      closing.unshift(() => copy.stop());
      return copy;
    };
    const sallyport = (databaseUrl: string, args: readonly string[], dir = marksDir) =>
      runCli([...args, '--json'], {
        DATABASE_URL: databaseUrl,
        BETTER_AUTH_SECRET: authSecret,
        SALLYPORT_DATA_DIR: dir,
        NO_COLOR: '1',
      });

    const first = await copyOn(server.url);
    const client = await newClient(first, ['tokens:issue', 'tokens:revoke', 'revocations:read']);
    await first.ports.sql.query(userInsert, ['alice']);
    const [kept, early, late] = [await issued(first, client), await issued(first, client), await issued(first, client)];
    await revoke(first, early, client);
    const time = await now();
    await sleep(100);
    await revoke(first, late, client);
    const feed = await fetch(`${first.url}/v1/revocations?since=0`, { headers: { authorization: client.basic } });
    writeFileSync(join(marksDir, 'segment.jws'), await feed.text());
    const { epoch } = first.ports.revocations.state();
    const marks = createFileMarks(marksDir);
    await expect.poll(async () => (await marks.read())?.revocationEpoch, { timeout: 60_000 }).toBe(epoch);
    await first.stop();
    await archiveAll();
    await server.stop();

    // To the end of the archive: nothing is missing, and it serves as it is.
    const whole = await recover('whole');
    const state = await sallyport(whole.url, ['restore']);
    expect([state.code, JSON.parse(state.out).standing]).toEqual([0, 'current']);
    await whole.stop();

    const rewound = await recover('rewound', time);
    const behind = await sallyport(rewound.url, ['restore']);
    expect([behind.code, JSON.parse(behind.out).standing]).toEqual([1, 'rewound']);
    const copy = await copyOn(rewound.url);
    await expect.poll(() => copy.ports.revocations.state().rewound, { timeout: 60_000 }).toBe(true);
    expect((await call(copy, '/v1/tokens/validate', { token: late.access_token })).status).toBe(503);

    const segments = join(marksDir, 'segments');
    mkdirSync(segments);
    cpSync(join(marksDir, 'segment.jws'), join(segments, 'one.jws'));
    const restored = await sallyport(rewound.url, ['restore', '--from-feed', segments]);
    expect(restored.code, restored.err).toBe(0);
    await expect
      .poll(async () => (await fetch(`${copy.url}/readyz`)).status, { timeout: 60_000, interval: 20 })
      .toBe(200);
    expect(await validate(copy, kept)).toMatchObject({ active: true });
    for (const pair of [early, late]) expect(await validate(copy, pair)).toMatchObject({ active: false });
    await copy.stop();
    await rewound.stop();

    // Without the feed the loss is accepted: every earlier token ends, and new ones are issued.
    const again = await recover('again', time);
    const accepted = await sallyport(again.url, ['restore', '--accept-loss', '--yes']);
    expect(accepted.code, accepted.err).toBe(0);
    const after = await copyOn(again.url);
    for (const pair of [kept, early, late]) expect(await validate(after, pair)).toMatchObject({ active: false });
    expect(await validate(after, await issued(after, client))).toMatchObject({ active: true });
    expect(existsSync(join(marksDir, 'marks.json'))).toBe(true);
  });
});
