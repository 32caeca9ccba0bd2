import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { testCaller } from '#testing/harness/ports.ts';
import { type OwnPorts, openTestPorts } from '#testing/harness/stores.ts';
import { childEnv } from '#testing/processes/child-env.ts';
import { migrate } from '../platform/postgres/migrate.ts';
import { readMigrations } from '../platform/postgres/migration-files.ts';
import { rollBack } from './roll-back.ts';

let ports: OwnPorts;
let folder: string;
let last: string;
beforeAll(async () => {
  ports = await openTestPorts();
  folder = mkdtempSync(join(tmpdir(), 'sallyport-roll-back-'));
  last = (await readMigrations()).at(-1)!.name;
});
afterAll(async () => {
  await ports?.end();
  rmSync(folder, { recursive: true, force: true });
});

function write(name: string, up: string, down: string): void {
  mkdirSync(join(folder, name), { recursive: true });
  writeFileSync(join(folder, name, 'migration.sql'), up);
  writeFileSync(join(folder, name, 'down.sql'), down);
  writeFileSync(join(folder, name, 'phase.json'), '{"phase":"contract","down":"down.sql"}');
}

const tables = async (): Promise<unknown[]> =>
  (await ports.raw(`SELECT relname FROM pg_class WHERE relname IN ('one', 'two', 'three') ORDER BY 1`)).map(
    ({ relname }) => relname,
  );
const history = () => ports.raw(`SELECT version FROM releases WHERE kind = 'rollback'`);
const back = async () =>
  rollBack(
    {
      databaseUrl: ports.databaseUrl,
      version: '7.0.0',
      releases: [{ version: '7.0.0', migration: last }],
      migrations: await readMigrations([folder]),
      command: 'test',
      say: () => {},
    },
    testCaller,
  );

test('a rollback that is killed between and within migrations goes on where it was, and is recorded once', async () => {
  write('20990101000000_one', 'CREATE TABLE one ()', 'SELECT pg_sleep(1); DROP TABLE one');
  write('20990101000100_two', 'CREATE TABLE two ()', 'DROP TABLE two');
  await migrate(ports.databaseUrl, () => {}, [folder]);
  expect(await tables()).toEqual(['one', 'two']);

  const program = fileURLToPath(new URL('../../testing/processes/roll-back.ts', import.meta.url));
  const child = spawn(process.execPath, [program, ports.databaseUrl, folder, '7.0.0', last], {
    env: childEnv(),
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let said = '';
  child.stdout.on('data', (part: Buffer) => {
    said += part;
    if (said.includes('taking back 20990101000000_one')) child.kill('SIGKILL');
  });
  const [, signal] = await once(child, 'exit');
  expect(signal).toBe('SIGKILL');
  expect(await tables()).toEqual(['one']);
  expect(await history()).toEqual([]);

  expect(await back()).toEqual({ version: '7.0.0', reverted: ['20990101000000_one'], kept: [] });
  expect(await back()).toEqual({ version: '7.0.0', reverted: [], kept: [] });
  expect(await tables()).toEqual([]);
  expect(await history()).toEqual([{ version: '7.0.0' }]);
  expect(await migrate(ports.databaseUrl, () => {}, [folder])).toEqual(['20990101000000_one', '20990101000100_two']);
});

test('two rollbacks at once take each migration back once', async () => {
  const results = await Promise.all([back(), back()]);
  expect(results.flatMap(({ reverted }) => reverted).sort()).toEqual(['20990101000000_one', '20990101000100_two']);
  expect(await tables()).toEqual([]);
});

test('a migration that would lose rows refuses to go back, with its reason, and leaves them', async () => {
  write(
    '20990101000200_three',
    'CREATE TABLE three (id int)',
    `DO $$ BEGIN IF EXISTS (SELECT FROM three) THEN RAISE EXCEPTION 'rows of three would be lost'; END IF; END $$;
     DROP TABLE three`,
  );
  await migrate(ports.databaseUrl, () => {}, [folder]);
  await ports.raw('INSERT INTO three VALUES (1)');
  await expect(back()).rejects.toMatchObject({
    code: 'rollback_incompatible',
    options: { detail: expect.stringContaining('rows of three would be lost') },
  });
  expect(await tables()).toEqual(['one', 'three', 'two']);
});

test('a rollback waits for a lock in short tries, and lets the statements behind it pass', async () => {
  await ports.raw('DELETE FROM three');
  let rolled: Promise<unknown> | undefined;
  await ports.transact(async (tx) => {
    await tx.query({ name: 'holdThree', text: 'LOCK TABLE three IN ACCESS SHARE MODE', writes: true });
    rolled = back();
    await new Promise((done) => setTimeout(done, 2_500));
    const from = performance.now();
    await ports.raw('SELECT count(*) FROM three');
    expect(performance.now() - from).toBeLessThan(2_500);
  });
  await rolled;
  expect(await tables()).toEqual([]);
});

test('a row that another process commits while the rollback waits for its table is not lost: the rollback refuses', async () => {
  await migrate(ports.databaseUrl, () => {}, [folder]);
  let rolled: Promise<unknown> | undefined;
  await ports.transact(async (tx) => {
    await tx.query({ name: 'insertThree', text: 'INSERT INTO three VALUES (7)', writes: true });
    rolled = back();
    rolled.catch(() => {});
    const waits = () =>
      ports.raw(
        `SELECT FROM pg_stat_activity WHERE application_name = 'sallyport-migrate' AND datname = current_database() AND wait_event_type = 'Lock'`,
      );
    await expect.poll(waits, { interval: 10 }).toHaveLength(1);
  });
  await expect(rolled).rejects.toMatchObject({
    code: 'rollback_incompatible',
    options: { detail: expect.stringContaining('rows of three would be lost') },
  });
  expect(await ports.raw('SELECT id FROM three')).toEqual([{ id: 7 }]);
  await ports.raw('DELETE FROM three');
  expect(await back()).toMatchObject({ reverted: expect.arrayContaining(['20990101000200_three']) });
});
