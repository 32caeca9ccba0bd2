import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { assertSchemaOf, endsWithOldChain, oldChainRefusal } from '#prisma/old-chain.ts';
import { StartError } from '../local/errors.ts';
import { type Migration, readMigrations } from './migration-files.ts';
import { assertPostgresVersion, POSTGRES_VERSION_FIX, postgresVersionWarning } from './server-version.ts';

const LOCK = 72_707_369;
const CONNECT_TIMEOUT_MS = 10_000;
/**
 * While a migration waits for a table, later statements wait behind it, on that table and on those that it has taken:
 * statements of requests for a second at most. So it gives way several times sooner, and before Postgres looks for
 * deadlocks, which would end one of them.
 */
const LOCK_TIMEOUT_MS = 200;
const LOCK_TRIES = 130;
const LOCK_PAUSE_MS = 500;
const TURN_PAUSE_MS = 100;

/** `unknown`: applied, but this version has no file of that name. */
type MigrationState = { readonly name: string; readonly state: 'applied' | 'pending' | 'changed' | 'unknown' };

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
  const unknown = states.filter(({ state }) => state === 'unknown').map(({ name }) => name);
  const replaced = oldChainRefusal(unknown, EMPTY);
  if (replaced) return replaced;
  const [first, ...others] = unknown;
  // If nothing is pending, a later version migrated the database; this version must run with it during a rolling deploy.
  if (!first || states.every(({ state }) => state !== 'pending')) return undefined;
  const more = others.length > 0 ? ` and ${others.length} more` : '';
  return new StartError(
    'migrations_diverged',
    `the database holds migrations that this version does not have (${first}${more}), and lacks some that it has`,
    `use the version that migrated it, or start with ${EMPTY}`,
  );
}

// The table of `prisma migrate`, so that its commands and this runner agree.
const HISTORY = `CREATE TABLE IF NOT EXISTS _prisma_migrations (
  id varchar(36) PRIMARY KEY, checksum varchar(64) NOT NULL, finished_at timestamptz, migration_name varchar(255) NOT NULL,
  logs text, rolled_back_at timestamptz, started_at timestamptz NOT NULL DEFAULT now(), applied_steps_count integer NOT NULL DEFAULT 0)`;

type Say = (text: string) => void;

/** Makes the table that notes applied migrations, where it is missing. */
export async function prepareHistory(db: pg.Client): Promise<void> {
  // A database user that owns no tables may not run CREATE TABLE IF NOT EXISTS, even if the table exists.
  const { rows } = await db.query(`SELECT to_regclass('_prisma_migrations') IS NULL AS is_new`);
  if (rows[0]?.is_new) await db.query(HISTORY);
}

/** Connects as migrations do, and works while no other process migrates this database. */
export async function withMigrationLock<T>(url: string, say: Say, work: (db: pg.Client) => Promise<T>): Promise<T> {
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
    await awaitTurn(db);
    await prepareHistory(db);
    return await work(db);
  } finally {
    await db.end();
  }
}

/**
 * Takes the lock of the session: a concurrent start waits here, then finds nothing to do. It asks again and again, because
 * a statement that waits is a snapshot for whose end CREATE INDEX CONCURRENTLY of the other start would wait in turn.
 */
async function awaitTurn(db: pg.Client): Promise<void> {
  const ask = 'SELECT pg_try_advisory_lock($1) AS is_taken';
  while (!(await db.query<{ is_taken: boolean }>(ask, [LOCK])).rows[0]?.is_taken) await sleep(TURN_PAUSE_MS);
}

async function checkVersion(db: pg.Client, say: Say): Promise<void> {
  const { rows } = await db.query<{ server_version_num: string }>('SHOW server_version_num');
  const version = Number(rows[0]?.server_version_num);
  assertPostgresVersion(version);
  const warning = postgresVersionWarning(version);
  if (warning) say(`${warning} (fix: ${POSTGRES_VERSION_FIX})`);
}

/** Postgres' codes of a lock that another statement has: it waited too long, or each waited for the other. */
const LOCKED_OUT = ['55P03', '40P01'];

/** Works in one transaction. Repeats it if it waited too long for a table, so that the statements behind it pass. */
export async function inOneTransaction<T>(db: pg.Client, work: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries += 1)
    try {
      await db.query('BEGIN');
      await db.query(`SET LOCAL lock_timeout = ${LOCK_TIMEOUT_MS}`);
      const result = await work();
      await db.query('COMMIT');
      return result;
    } catch (err) {
      await db.query('ROLLBACK').catch(() => {});
      if (!LOCKED_OUT.includes((err as { code?: string }).code ?? '') || tries === LOCK_TRIES) throw err;
      await sleep(LOCK_PAUSE_MS);
    }
}

/** The statements of a migration without a transaction: each ends a line with its semicolon. */
const statementsOf = (sql: string): string[] =>
  sql
    .split(/;\s*$/m)
    .map((text) => text.replace(/^\s*--.*$/gm, '').trim())
    .filter((text) => text !== '');

const INDEX_CREATED = /^CREATE (?:UNIQUE )?INDEX CONCURRENTLY IF NOT EXISTS "?(\w+)"?/i;

/** A process that ended while it built an index left it invalid, which `IF NOT EXISTS` takes for a good one. */
async function dropInvalidIndex(db: pg.Client, statement: string): Promise<void> {
  const name = INDEX_CREATED.exec(statement)?.[1];
  if (name === undefined) return;
  const { rows } = await db.query('SELECT 1 FROM pg_index WHERE indexrelid = to_regclass($1) AND NOT indisvalid', [
    `"${name}"`,
  ]);
  if (rows.length > 0) await db.query(`DROP INDEX CONCURRENTLY "${name}"`);
}

const DISK_FULL = '53100';

/** @param where what found no room, and what that left @throws StartError (`database_full`) */
export async function namingFullDisk<T>(where: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (err) {
    if ((err as { code?: string }).code !== DISK_FULL) throw err;
    const fix = 'free space there, then run the same command again';
    throw new StartError('database_full', `the disk of PostgreSQL is full (53100): ${where}`, fix, { cause: err });
  }
}

/** The server does not have it, or the login may not create it; or it is in a schema that the login does not see. */
const EXTENSION = /\bextension "?pg_trgm\b|\bgin_trgm_ops\b/;
const EXTENSION_FIX =
  'as an administrator of the PostgreSQL server run CREATE EXTENSION pg_trgm SCHEMA public in this database (its package is postgresql-contrib), then run the same command again';

/** An exception of the migration itself, or rows that do not fit what it makes. */
const ROWS_REFUSE = /^(?:P0001|22|23)/;

/**
 * @param left what a failure leaves
 * @throws StartError (`migration_refused`, `extension_missing`, `database_full`)
 */
export async function namingRefusal<T>(name: string, left: string, work: () => Promise<T>): Promise<T> {
  try {
    return await namingFullDisk(`migration ${name} found no room; ${left}`, work);
  } catch (err) {
    const { code, message } = err as Error & { code?: string };
    if (EXTENSION.test(message))
      throw new StartError('extension_missing', `migration ${name}: ${message} (${left})`, EXTENSION_FIX, {
        cause: err,
      });
    if (!ROWS_REFUSE.test(code ?? '')) throw err;
    const fix = 'change those rows, then run the same command again';
    throw new StartError('migration_refused', `migration ${name}: ${message} (${left})`, fix, { cause: err });
  }
}

/** Looks at a transaction of a migration before it commits. */
export type Look = (db: pg.Client) => Promise<void>;

/** Applies one migration and notes it in the history; whole or not at all, except without a transaction. */
export const applyMigration = (db: pg.Client, migration: Migration, look: Look = async () => {}): Promise<void> =>
  namingRefusal(migration.name, 'those before it stay', () => apply(db, migration, look));

const note = (db: pg.Client, { checksum, name }: Migration): Promise<unknown> =>
  db.query(
    `INSERT INTO _prisma_migrations (id, checksum, finished_at, migration_name, applied_steps_count) VALUES ($1, $2, now(), $3, 1)`,
    [randomUUID(), checksum, name],
  );

async function apply(db: pg.Client, migration: Migration, look: Look): Promise<void> {
  if (!migration.isTransactional) {
    for (const statement of statementsOf(migration.sql)) {
      await dropInvalidIndex(db, statement);
      await db.query(statement);
    }
    await look(db);
    await note(db, migration);
    return;
  }
  await inOneTransaction(db, async () => {
    await db.query(migration.sql);
    await look(db);
    await note(db, migration);
  });
}

/** The names of the migrations that this database holds, in order. */
export async function appliedMigrations(db: pg.Client): Promise<string[]> {
  const { rows } = await db.query<{ name: string }>(
    `SELECT migration_name AS name FROM _prisma_migrations WHERE finished_at IS NOT NULL AND rolled_back_at IS NULL`,
  );
  return rows.map(({ name }) => name).sort();
}

/** Writes the baseline into the history of a database that has all of what it replaced, and the same schema. */
const adopt = (db: pg.Client, baseline: Migration): Promise<void> =>
  inOneTransaction(db, async () => {
    await assertSchemaOf(db, baseline);
    await db.query('DELETE FROM _prisma_migrations');
    await note(db, baseline);
  });

/**
 * Applies pending SQL migrations, one transaction each, under one lock. Needs no Prisma engine.
 * @returns names of the migrations that this call applied
 * @param say takes a warning about the version of the server
 * @param others folders of migrations besides this version's
 * @throws StartError of `migrationRefusal` or `assertSchemaOf`, or `postgres_too_old`
 */
export async function migrate(url: string, say: Say = () => {}, others: readonly string[] = []): Promise<string[]> {
  const migrations = await readMigrations(others);
  return withMigrationLock(url, say, async (db) => {
    if (endsWithOldChain(await appliedMigrations(db))) {
      await adopt(db, migrations[0]!);
      say(`the schema is that of ${migrations[0]!.name}, which stands for the migrations before it`);
    }
    const states = await statesOf(db, migrations);
    const refusal = migrationRefusal(states);
    if (refusal) throw refusal;
    const applied: string[] = [];
    for (const [index, migration] of migrations.entries()) {
      if (states[index]?.state === 'applied') continue;
      await applyMigration(db, migration);
      applied.push(migration.name);
    }
    return applied;
  });
}

/** State of each migration (applied, pending, changed, unknown); applies nothing. */
export async function migrationStates(url: string): Promise<MigrationState[]> {
  const migrations = await readMigrations();
  return withMigrationLock(
    url,
    () => {},
    (db) => statesOf(db, migrations),
  );
}
