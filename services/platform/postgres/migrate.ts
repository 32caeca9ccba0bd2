import { createHash, randomUUID } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { StartError } from '../local/errors.ts';
import { assertPostgresVersion, POSTGRES_VERSION_FIX, postgresVersionWarning } from './server-version.ts';

const MIGRATIONS = fileURLToPath(new URL('../../../prisma/migrations/', import.meta.url));
const LOCK = 72_707_369;
const CONNECT_TIMEOUT_MS = 10_000;

/** `unknown`: applied, but this version has no file of that name. */
export type MigrationState = { readonly name: string; readonly state: 'applied' | 'pending' | 'changed' | 'unknown' };

type Migration = { readonly name: string; readonly sql: string; readonly checksum: string };

async function migrationsOnDisk(): Promise<Migration[]> {
  const entries = await readdir(MIGRATIONS, { withFileTypes: true });
  const names = entries
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name)
    .sort();
  return Promise.all(
    names.map(async (name) => {
      const sql = await readFile(`${MIGRATIONS}/${name}/migration.sql`, 'utf8');
      return { name, sql, checksum: createHash('sha256').update(sql).digest('hex') };
    }),
  );
}

async function statesOf(db: pg.Client, migrations: readonly Migration[]): Promise<MigrationState[]> {
  const { rows } = await db.query<{ migration_name: string; checksum: string }>(
    `SELECT migration_name, checksum FROM _prisma_migrations WHERE finished_at IS NOT NULL AND rolled_back_at IS NULL`,
  );
  const applied = new Map(rows.map((row) => [row.migration_name, row.checksum]));
  const known = migrations.map(({ name, checksum }): MigrationState => {
    const state = !applied.has(name) ? 'pending' : applied.get(name) === checksum ? 'applied' : 'changed';
    applied.delete(name);
    return { name, state };
  });
  return [...known, ...[...applied.keys()].sort().map((name): MigrationState => ({ name, state: 'unknown' }))];
}

const EMPTY = 'an empty database: another SALLYPORT_DATA_DIR or DATABASE_URL';

/** Why no migration may be applied to a database with these states; undefined if they may. */
export function migrationRefusal(states: readonly MigrationState[]): StartError | undefined {
  const changed = states.find(({ state }) => state === 'changed');
  if (changed)
    return new StartError(
      'migration_changed',
      `migration ${changed.name} was changed after it was applied`,
      `use the version that made this database, or start with ${EMPTY}`,
    );
  const [first, ...others] = states.filter(({ state }) => state === 'unknown');
  // If nothing is pending, a later version migrated the database; this version must run with it during a rolling deploy.
  if (!first || states.every(({ state }) => state !== 'pending')) return undefined;
  const more = others.length > 0 ? ` and ${others.length} more` : '';
  return new StartError(
    'migrations_diverged',
    `the database holds migrations that this version does not have (${first.name}${more}), and lacks some that it has`,
    `use the version that migrated it, or start with ${EMPTY}`,
  );
}

// The table of `prisma migrate`, so that its commands and this runner agree.
const HISTORY = `CREATE TABLE IF NOT EXISTS _prisma_migrations (
  id varchar(36) PRIMARY KEY, checksum varchar(64) NOT NULL, finished_at timestamptz, migration_name varchar(255) NOT NULL,
  logs text, rolled_back_at timestamptz, started_at timestamptz NOT NULL DEFAULT now(), applied_steps_count integer NOT NULL DEFAULT 0)`;

type Say = (text: string) => void;

async function withLock<T>(url: string, say: Say, work: (db: pg.Client) => Promise<T>): Promise<T> {
  const db = new pg.Client({
    connectionString: url,
    application_name: 'sallyport-migrate',
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
  });
  // A lost connection also rejects the query in progress; without a listener it would end the process.
  db.on('error', () => {});
  await db.connect();
  try {
    await checkVersion(db, say);
    // Session lock: a concurrent start waits here, then finds nothing to do.
    await db.query('SELECT pg_advisory_lock($1)', [LOCK]);
    // A database user that owns no tables may not run CREATE TABLE IF NOT EXISTS, even if the table exists.
    const { rows } = await db.query(`SELECT to_regclass('_prisma_migrations') IS NULL AS "isNew"`);
    if (rows[0]?.isNew) await db.query(HISTORY);
    return await work(db);
  } finally {
    await db.end();
  }
}

async function checkVersion(db: pg.Client, say: Say): Promise<void> {
  const { rows } = await db.query<{ server_version_num: string }>('SHOW server_version_num');
  const version = Number(rows[0]?.server_version_num);
  assertPostgresVersion(version);
  const warning = postgresVersionWarning(version);
  if (warning) say(`${warning} (fix: ${POSTGRES_VERSION_FIX})`);
}

/**
 * Applies pending SQL migrations, one transaction each, under one lock. Needs no Prisma engine.
 * @returns names of the migrations that this call applied
 * @param say takes a warning about the version of the server
 * @throws StartError of `migrationRefusal`, or `postgres_too_old`
 */
export async function migrate(url: string, say: Say = () => {}): Promise<string[]> {
  const migrations = await migrationsOnDisk();
  return withLock(url, say, async (db) => {
    const states = await statesOf(db, migrations);
    const refusal = migrationRefusal(states);
    if (refusal) throw refusal;
    const applied: string[] = [];
    for (const [index, migration] of migrations.entries()) {
      if (states[index]?.state === 'applied') continue;
      await db.query('BEGIN');
      await db.query(migration.sql);
      await db.query(
        `INSERT INTO _prisma_migrations (id, checksum, finished_at, migration_name, applied_steps_count) VALUES ($1, $2, now(), $3, 1)`,
        [randomUUID(), migration.checksum, migration.name],
      );
      await db.query('COMMIT');
      applied.push(migration.name);
    }
    return applied;
  });
}

/** State of each migration (applied, pending, changed, unknown); applies nothing. */
export async function migrationStates(url: string): Promise<MigrationState[]> {
  const migrations = await migrationsOnDisk();
  return withLock(
    url,
    () => {},
    (db) => statesOf(db, migrations),
  );
}
