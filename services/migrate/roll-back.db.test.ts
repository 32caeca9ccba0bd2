import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, expect, test } from 'vitest';
import { testCaller } from '#tools/testing/harness/ports.ts';
import { openTestPorts } from '#tools/testing/harness/stores.ts';
import { opened } from '#tools/testing/opened.ts';
import { childEnv } from '#tools/testing/processes/child-env.ts';
import { testFolder } from '#tools/testing/test-folder.ts';
import { migrate } from '../platform/postgres/migrate.ts';
import { readMigrations } from '../platform/postgres/migration-files.ts';
import { rollBack, rollBackPlan } from './roll-back.ts';

const ports = opened(() => openTestPorts());
const folder = testFolder();
let last: string;
beforeAll(async () => {
  last = (await readMigrations()).at(-1)!.name;
});

type Hold = { readonly rows: string; readonly because: string };
function write(name: string, up: string, down: string, holds: readonly Hold[] = []): void {
  mkdirSync(join(folder, name), { recursive: true });
  writeFileSync(join(folder, name, 'migration.sql'), up);
  writeFileSync(join(folder, name, 'down.sql'), down);
  writeFileSync(join(folder, name, 'phase.json'), JSON.stringify({ phase: 'contract', down: 'down.sql', holds }));
}

const tables = async (): Promise<unknown[]> =>
  (await ports.raw`SELECT relname FROM pg_class WHERE relname IN ('one', 'two', 'three') ORDER BY 1`).map(
    ({ relname }) => relname,
  );
const history = () => ports.raw`SELECT version FROM releases WHERE kind = 'rollback'`;
const question = async () => ({
  databaseUrl: ports.databaseUrl,
  version: '7.0.0',
  releases: [{ version: '7.0.0', migration: last }],
  migrations: await readMigrations([folder]),
});
const back = async () => rollBack({ ...(await question()), command: 'test', say: () => {} }, testCaller);
const plan = async () => rollBackPlan(await question());

test('a rollback that is killed within a migration has taken none back; the same call then does, and is recorded once', async () => {
  write('20990101000000_one', 'CREATE TABLE one ()', 'SELECT pg_sleep(1); DROP TABLE one');
  write('20990101000100_two', 'CREATE TABLE two ()', 'DROP TABLE two');
  await migrate(ports.databaseUrl, () => {}, [folder]);
  expect(await tables()).toEqual(['one', 'two']);

  const program = fileURLToPath(new URL('../../tools/testing/processes/roll-back.ts', import.meta.url));
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
  expect(await tables()).toEqual(['one', 'two']);
  expect(await history()).toEqual([]);

  const reverted = ['20990101000100_two', '20990101000000_one'];
  expect(await back()).toEqual({ version: '7.0.0', reverted, kept: [] });
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

const LOST = 'rows of three would be lost';
const refusal = (why: string) => ({
  code: 'rollback_incompatible',
  options: { detail: expect.stringMatching(new RegExp(`${why}.*; nothing has changed$`)) },
});

test('a migration that would lose rows refuses to go back, with its reason, and leaves them: the plan says it before', async () => {
  write('20990101000200_three', 'CREATE TABLE three (id int)', 'DROP TABLE three', [
    { rows: 'SELECT FROM three', because: LOST },
  ]);
  await migrate(ports.databaseUrl, () => {}, [folder]);
  expect(await plan()).toMatchObject({ compatible: true });
  await ports.raw`INSERT INTO three VALUES (1)`;
  expect(await plan()).toMatchObject({ compatible: false, reason: expect.stringContaining(LOST), reverts: [] });
  await expect(back()).rejects.toMatchObject(refusal(LOST));
  expect(await tables()).toEqual(['one', 'three', 'two']);
});

test('a rollback waits for a lock in short tries, and lets the statements behind it pass', async () => {
  await ports.raw`DELETE FROM three`;
  let rolled: Promise<unknown> | undefined;
  await ports.transact(async (tx) => {
    await tx.query({ name: 'holdThree', text: 'LOCK TABLE three IN ACCESS SHARE MODE', writes: true });
    rolled = back();
    await new Promise((done) => setTimeout(done, 2_500));
    const from = performance.now();
    await ports.raw`SELECT count(*) FROM three`;
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
      ports.raw`SELECT FROM pg_stat_activity
        WHERE application_name = 'sallyport-migrate' AND datname = current_database() AND wait_event_type = 'Lock'`;
    await expect.poll(waits, { interval: 10 }).toHaveLength(1);
  });
  await expect(rolled).rejects.toMatchObject(refusal(LOST));
  expect(await ports.raw`SELECT id FROM three`).toEqual([{ id: 7 }]);
  await ports.raw`DELETE FROM three`;
  expect(await back()).toMatchObject({ reverted: expect.arrayContaining(['20990101000200_three']) });
});

/** Everything of the schema, and what it holds of migrations. */
const schema = () =>
  ports.raw`SELECT (SELECT json_agg(c ORDER BY c) FROM (SELECT table_name || '.' || column_name AS c
      FROM information_schema.columns WHERE table_schema = 'public') s) AS columns,
    (SELECT json_agg(m ORDER BY migration_name) FROM _prisma_migrations m) AS history`;

test('six migrations of which the last to go back refuses change nothing, whether it says so before or in its SQL', async () => {
  for (let n = 1; n <= 6; n += 1)
    write(`2099020100000${n}_six`, `CREATE TABLE six_${n} (id int)`, `DROP TABLE six_${n}`);
  const first = '20990201000001_six';
  const guarded = (holds: readonly Hold[], down = '') =>
    write(first, 'CREATE TABLE six_1 (id int)', `${down}; DROP TABLE six_1`, holds);
  guarded([{ rows: 'SELECT FROM six_1', because: 'six would be lost' }]);
  await migrate(ports.databaseUrl, () => {}, [folder]);
  await ports.raw`INSERT INTO six_1 VALUES (1)`;
  const before = await schema();
  expect(await plan()).toMatchObject({ compatible: false });
  await expect(back()).rejects.toMatchObject(refusal('six would be lost'));
  expect(await schema()).toEqual(before);

  guarded([], `DO $$ BEGIN RAISE EXCEPTION 'raised'; END $$`);
  await expect(back()).rejects.toMatchObject(refusal('raised'));
  guarded([], 'ALTER TABLE six_1 ADD CHECK (id > 1)');
  await expect(back()).rejects.toMatchObject(refusal('violated'));
  guarded([], 'SELECT no_such_function()');
  await expect(back()).rejects.toThrow('no_such_function');
  expect(await schema()).toEqual(before);
  guarded([]);
  expect((await back()).reverted.filter((name) => name.endsWith('_six'))).toHaveLength(6);
});

test('a migration that stays because the release before runs with it still refuses, if that release would ignore its rows', async () => {
  const declared = { phase: 'expand', down: 'none, because the release before ignores the table' };
  const holds = [{ rows: 'SELECT FROM owed', because: 'let these users enrol first' }];
  write('20990301000000_owed', 'CREATE TABLE owed (id int)', '');
  writeFileSync(join(folder, '20990301000000_owed/phase.json'), JSON.stringify({ ...declared, holds }));
  await migrate(ports.databaseUrl, () => {}, [folder]);
  expect(await plan()).toMatchObject({ compatible: true, keeps: ['20990301000000_owed'] });
  await ports.raw`INSERT INTO owed VALUES (1)`;
  expect(await plan()).toMatchObject({ compatible: false, reason: expect.stringContaining('enrol first') });
  const before = await schema();
  await expect(back()).rejects.toMatchObject(refusal('enrol first'));
  expect(await schema()).toEqual(before);
  await ports.raw`DELETE FROM owed`;
  expect((await back()).kept).toEqual(['20990301000000_owed']);
});
