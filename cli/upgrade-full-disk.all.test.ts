// A disk of PostgreSQL that becomes full in a migration, in the trial of an upgrade and in a rollback.
import { randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { chmod, chown, mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { rollBack } from '../services/migrate/roll-back.ts';
import { migrate, migrationStates } from '../services/platform/postgres/migrate.ts';
import { readMigrations } from '../services/platform/postgres/migration-files.ts';
import { rehearseMigrations } from '../services/platform/postgres/rehearse-migrations.ts';
import { mountSmallDisk, type SmallDisk } from '../tools/chaos/disk.ts';
import { queryRows, testCaller } from '../tools/testing/harness/ports.ts';
import { onServer } from '../tools/testing/harness/stores.ts';

const NAME = `small_${randomBytes(4).toString('hex')}`;
const canMount = process.platform === 'linux' && process.getuid?.() === 0;
if (!canMount) console.warn('SKIPPED: migrations and rollbacks on a full disk: only root may mount a small one');

describe.skipIf(!canMount)('a full disk of PostgreSQL', () => {
  let folder: string;
  let disk: SmallDisk;
  let serverUrl: string;
  let url: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sallyport-full-'));
    // PostgreSQL, which is another user, passes through.
    await chmod(folder, 0o711);
    disk = mountSmallDisk(join(folder, 'small'));
    await onServer(async (admin) => {
      const { rows } = await admin.query(`SELECT current_setting('data_directory') AS data`);
      const { uid, gid } = await stat(rows[0].data);
      const place = await mkdtemp(join(folder, 'small/postgres-'));
      await chown(place, uid, gid);
      await admin.query(`CREATE TABLESPACE ${NAME} LOCATION '${place}'`);
      await admin.query(`CREATE ROLE ${NAME} SUPERUSER LOGIN PASSWORD 'own'`);
      await admin.query(`ALTER ROLE ${NAME} SET default_tablespace = ${NAME}`);
      serverUrl = `postgres://${NAME}:own@${admin.host}:${admin.port}/postgres`;
    });
    const own = new URL(serverUrl);
    own.pathname = `/${NAME}`;
    url = own.href;
    // The base of the schema is elsewhere; what a migration makes lies on the small disk.
    await onServer((admin) => admin.query(`CREATE DATABASE ${NAME}`));
    await migrate(url);
  });
  afterAll(async () => {
    if (serverUrl)
      await onServer(async (admin) => {
        await admin.query(`DROP DATABASE IF EXISTS ${NAME} WITH (FORCE)`);
        await admin.query(`DROP TABLESPACE ${NAME}`);
        await admin.query(`DROP ROLE ${NAME}`);
      });
    disk?.unmount();
    await rm(folder, { recursive: true, force: true });
  });

  afterEach(() => disk?.empty());

  /** Text that does not compress. */
  const rows = (count: number) => `SELECT n, sha512(n::text::bytea)::text AS t FROM generate_series(1, ${count}) n`;
  function write(name: string, up: string, down: string): void {
    const place = join(folder, 'migrations', name);
    mkdirSync(place, { recursive: true });
    writeFileSync(join(place, 'migration.sql'), up);
    writeFileSync(join(place, 'down.sql'), down);
    writeFileSync(join(place, 'phase.json'), '{"phase":"contract","down":"down.sql"}');
  }
  const migrations = () => join(folder, 'migrations');
  const held = async () =>
    (await migrationStates(url))
      .filter(({ name, state }) => name > '2099' && state !== 'pending')
      .map(({ name }) => name);
  const full = (name: string) => ({ code: 'database_full', message: expect.stringContaining(name) });
  const FIRST = '20990101000000_first';
  const SECOND = '20990101000100_second';

  test('ends an upgrade in the migration that finds no room; the one before stays, and the same command goes on', async () => {
    write(FIRST, `CREATE TABLE first AS ${rows(2_000)}`, 'ALTER TABLE first ALTER n TYPE bigint; DROP TABLE first');
    write(SECOND, `CREATE TABLE second AS ${rows(20_000)}`, 'DROP TABLE second');
    const ballast = join(folder, 'small/ballast');
    writeFileSync(ballast, Buffer.alloc(4 * 1_024 * 1_024));
    disk.fill();
    await rm(ballast);
    await expect(migrate(url, () => {}, [migrations()])).rejects.toMatchObject(full(SECOND));
    expect(await held()).toEqual([FIRST]);
    expect(await queryRows(url)`SELECT to_regclass('second') AS second, count(*)::int AS n FROM first`).toEqual([
      { second: null, n: 2_000 },
    ]);
    disk.empty();
    expect(await migrate(url, () => {}, [migrations()])).toEqual([SECOND]);
  });

  test('ends the trial of an upgrade with the same code, and leaves neither the copy nor a change', async () => {
    const known = await readMigrations([migrations()]);
    const before = known.filter(({ name }) => name < '2099');
    const pending = known.filter(({ name }) => name > '2099');
    const states = await held();
    disk.fill();
    const trial = rehearseMigrations({
      url,
      scratchUrl: serverUrl,
      applied: before,
      pending,
      reverted: [],
      rows: 0,
      say: () => {},
    });
    await expect(trial).rejects.toMatchObject({ code: 'database_full' });
    disk.empty();
    expect(await held()).toEqual(states);
    const owned = `SELECT 1 FROM pg_database d JOIN pg_roles r ON r.oid = datdba
      WHERE rolname = '${NAME}' AND datname LIKE 'sallyport\\_check%'`;
    expect(await queryRows(url)(owned)).toEqual([]);
  });

  test('ends a rollback in the migration that finds no room, with nothing changed; the same rollback then passes, and is recorded once', async () => {
    const known = await readMigrations([migrations()]);
    const last = known.findLast(({ name }) => name < '2099')!.name;
    const options = { databaseUrl: url, version: '7.0.0', releases: [{ version: '7.0.0', migration: last }] };
    const back = () => rollBack({ ...options, migrations: known, command: 'test', say: () => {} }, testCaller);
    const recorded = () => queryRows(url)`SELECT 1 FROM releases WHERE kind = 'rollback'`;
    // The way back of the second frees less than the rewrite of the first needs.
    await queryRows(url)(`INSERT INTO first ${rows(60_000)}`);
    disk.fill();
    await expect(back()).rejects.toMatchObject({ code: 'database_full' });
    expect(await recorded()).toEqual([]);
    expect(await held()).toEqual([FIRST, SECOND]);
    disk.empty();
    expect(await back()).toMatchObject({ reverted: [SECOND, FIRST] });
    expect(await held()).toEqual([]);
    expect(await recorded()).toHaveLength(1);
  });
});
