import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { differencesOf } from '#prisma/describe-schema.ts';
import { StartError } from '../local/errors.ts';
import { applyMigration, inOneTransaction, namingFullDisk, prepareHistory } from './migrate.ts';
import type { Migration } from './migration-files.ts';
import { holdsOn, revertMigration } from './revert-migrations.ts';
import { type Catalog, changesBetween, type Refusal, readCatalog, refusalsOf } from './schema-changes.ts';

/** A migration that was applied or taken back, and what its transaction had done and held before it committed. */
export type RehearsedStep = {
  readonly migration: string;
  readonly direction: 'up' | 'down';
  readonly ms: number;
  /** Rows that it inserted, updated or deleted, by table. */
  readonly rows: Readonly<Record<string, number>>;
  /** The strongest lock on each table that was there before. */
  readonly locks: Readonly<Record<string, string>>;
  /** What the lint refuses, of a migration upwards. */
  readonly refusals: readonly Refusal[];
};

const ROWS_TOUCHED = `SELECT relname AS name, n_tup_ins + n_tup_upd + n_tup_del AS count FROM pg_stat_xact_user_tables
  WHERE n_tup_ins + n_tup_upd + n_tup_del > 0 AND relname <> '_prisma_migrations'`;

// Modes that block no other statement of the product are left out: reading, and what every write takes.
const LOCKS = `SELECT c.oid::int8 AS oid, c.relname AS name, l.mode FROM pg_locks l JOIN pg_class c ON c.oid = l.relation
  WHERE l.pid = pg_backend_pid() AND l.locktype = 'relation' AND c.relkind IN ('r', 'p')
    AND c.relnamespace = current_schema()::regnamespace AND l.mode NOT IN ('AccessShareLock', 'RowShareLock')
  ORDER BY array_position(ARRAY['RowExclusiveLock', 'ShareUpdateExclusiveLock', 'ShareLock', 'ShareRowExclusiveLock',
    'ExclusiveLock', 'AccessExclusiveLock'], l.mode)`;

/**
 * Applies or takes back one migration, and observes its transaction.
 * @param released the catalog of the last release, if that is not what the migration begins with
 */
export async function observeMigration(
  db: pg.Client,
  migration: Migration,
  direction: RehearsedStep['direction'],
  released?: Catalog,
): Promise<RehearsedStep> {
  const before = await readCatalog(db);
  const old = new Set(before.tables.map(({ oid }) => oid));
  let rows: RehearsedStep['rows'] = {};
  let locks: RehearsedStep['locks'] = {};
  let transactions: readonly string[] = [];
  const current = async (): Promise<string> => (await db.query('SELECT pg_current_xact_id()::text AS id')).rows[0].id;
  const look = async (): Promise<void> => {
    rows = Object.fromEntries((await db.query(ROWS_TOUCHED)).rows.map(({ name, count }) => [name, Number(count)]));
    const held = (await db.query(LOCKS)).rows.filter(({ oid }) => old.has(Number(oid)));
    locks = Object.fromEntries(held.map(({ name, mode }) => [name, mode]));
    transactions = [await current(), await current()];
  };
  const beganAt = performance.now();
  if (direction === 'up') await applyMigration(db, migration, look);
  else await inOneTransaction(db, () => revertMigration(db, migration, look));
  const ms = Math.round(performance.now() - beganAt);
  const changes = direction === 'up' ? changesBetween(before, await readCatalog(db), released) : [];
  // Outside a transaction every statement has an id of its own.
  if (migration.isTransactional && transactions[0] !== transactions[1])
    changes.push({ rule: 'ending-transaction', on: migration.name, text: 'ends its transaction' });
  return { migration: migration.name, direction, ms, rows, locks, refusals: refusalsOf(changes, migration) };
}

const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`;
const NAMES = 'sallyport_check_';

function onDatabase(url: string, name: string): string {
  const other = new URL(url);
  other.pathname = `/${name}`;
  return other.href;
}

async function connected<T>(url: string, work: (db: pg.Client) => Promise<T>): Promise<T> {
  const db = new pg.Client({ connectionString: url, application_name: 'sallyport-upgrade-check' });
  db.on('error', () => {});
  await db.connect();
  try {
    return await work(db);
  } finally {
    await db.end();
  }
}

const INSUFFICIENT_PRIVILEGE = '42501';

/** Works in an empty database beside this one, which is dropped afterwards. Drops those that a crash left, too. */
async function withScratchDatabase<T>(url: string, work: (db: pg.Client) => Promise<T>): Promise<T> {
  const name = `${NAMES}${randomBytes(6).toString('hex')}`;
  return connected(url, async (admin) => {
    const { rows } = await admin.query<{ name: string }>(
      `SELECT datname AS name FROM pg_database d WHERE datname LIKE $1
         AND NOT EXISTS (SELECT 1 FROM pg_stat_activity a WHERE a.datid = d.oid)`,
      [`${NAMES.replaceAll('_', '\\_')}%`],
    );
    for (const left of rows) await admin.query(`DROP DATABASE IF EXISTS ${quoted(left.name)}`).catch(() => {});
    try {
      await admin.query(`CREATE DATABASE ${quoted(name)} TEMPLATE template0`);
    } catch (err) {
      if ((err as { code?: string }).code !== INSUFFICIENT_PRIVILEGE) throw err;
      throw new StartError(
        'scratch_refused',
        'the database user may not create a database to try the migrations in',
        'ALTER ROLE … CREATEDB, or give --scratch the URL of another server',
      );
    }
    try {
      const trial = () => connected(onDatabase(url, name), work);
      return await namingFullDisk('the copy for the trial found no room, and is dropped', trial);
    } finally {
      await admin.query(`DROP DATABASE IF EXISTS ${quoted(name)} WITH (FORCE)`);
    }
  });
}

/** What bears on a migration: tables, columns, indexes and constraints, one line each. */
function factsOf({ tables, columns, indexes, constraints }: Catalog): string[] {
  const nameOf = new Map(tables.map(({ oid, name }) => [oid, name]));
  return [
    ...tables.map(({ name }) => `table ${name}`),
    ...columns.map(
      ({ table, name, type, is_required: isRequired }) =>
        `column ${nameOf.get(table)}.${name} ${type}${isRequired ? ' not null' : ''}`,
    ),
    ...indexes.map(({ table, name }) => `index ${name} on ${nameOf.get(table)}`),
    ...constraints.map(({ table, name, text }) => `constraint ${name} on ${nameOf.get(table)}: ${text}`),
  ];
}

const BATCH = 500;

/** Copies rows of one table; columns that Postgres computes are computed again. */
async function copyTable(from: pg.Client, to: pg.Client, table: string, most: number | 'all'): Promise<number> {
  const { rows: columns } = await to.query<{ name: string; type: string }>(
    `SELECT quote_ident(attname) AS name, format_type(atttypid, atttypmod) AS type FROM pg_attribute
     WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = '' ORDER BY attnum`,
    [quoted(table)],
  );
  const names = columns.map(({ name }) => name);
  const insert = `INSERT INTO ${quoted(table)} (${names.join(', ')}) OVERRIDING SYSTEM VALUE
    SELECT ${columns.map(({ name, type }, at) => `v[${at + 1}]::${type} AS ${name}`).join(', ')}
    FROM (SELECT ARRAY(SELECT json_array_elements_text(x::json)) AS v FROM unnest($1::text[]) x) s`;
  await from.query(
    `DECLARE copied CURSOR FOR SELECT json_build_array(${names.map((name) => `${name}::text`).join(', ')})::text AS r
     FROM ${quoted(table)}${most === 'all' ? '' : ` LIMIT ${most}`}`,
  );
  let count = 0;
  for (;;) {
    const { rows } = await from.query<{ r: string }>(`FETCH ${BATCH} FROM copied`);
    if (rows.length === 0) break;
    await to.query(insert, [rows.map(({ r }) => r)]);
    count += rows.length;
  }
  await from.query('CLOSE copied');
  return count;
}

/** Fills the tables of a new database; foreign keys are then there for new rows, as a sample has not all that they name. */
async function copyRows(
  from: pg.Client,
  to: pg.Client,
  { tables, constraints }: Catalog,
  most: number | 'all',
): Promise<number> {
  const filled = tables.filter(({ kind }) => kind === 'r' || kind === 'p');
  if (filled.length === 0) return 0;
  const nameOf = new Map(filled.map(({ oid, name }) => [oid, quoted(name)]));
  const keys = constraints.filter(({ kind }) => kind === 'f');
  for (const { table, name } of keys)
    await to.query(`ALTER TABLE ${nameOf.get(table)} DROP CONSTRAINT ${quoted(name)}`);
  for (const { name } of filled) await to.query(`ALTER TABLE ${quoted(name)} DISABLE TRIGGER USER`);
  await to.query(`TRUNCATE ${[...nameOf.values()].join(', ')}`);
  let count = 0;
  for (const { name } of filled) count += await copyTable(from, to, name, most);
  for (const { name } of filled) await to.query(`ALTER TABLE ${quoted(name)} ENABLE TRIGGER USER`);
  for (const { table, name, text } of keys)
    await to.query(
      `ALTER TABLE ${nameOf.get(table)} ADD CONSTRAINT ${quoted(name)} ${text}${/NOT VALID$/.test(text) ? '' : ' NOT VALID'}`,
    );
  return count;
}

export type Rehearsal = {
  readonly rowsCopied: number;
  /** Where the schema of the database is not that of its migrations. */
  readonly drift: readonly string[];
  readonly steps: readonly RehearsedStep[];
  /** Why a migration was not taken back, and so none before it: rows that it would lose. */
  readonly holds: readonly string[];
};

type RehearsalPlan = {
  readonly url: string;
  /** A server for the scratch database, if not that of `url`. */
  readonly scratchUrl?: string | undefined;
  /** Applied to the database, in order. */
  readonly applied: readonly Migration[];
  /** Applied in the scratch database. */
  readonly pending: readonly Migration[];
  /** Then taken back, the last first, and applied again. */
  readonly reverted: readonly Migration[];
  /** Rows of each table to copy. */
  readonly rows: number | 'all';
  readonly say: (text: string) => void;
};

/** Clones schema and rows into a scratch database, and applies and takes back migrations there. */
export const rehearseMigrations = ({
  url,
  scratchUrl = url,
  applied,
  pending,
  reverted,
  rows,
  say,
}: RehearsalPlan): Promise<Rehearsal> =>
  withScratchDatabase(scratchUrl, async (scratch) => {
    await prepareHistory(scratch);
    for (const migration of applied) await applyMigration(scratch, migration);
    const made = await readCatalog(scratch);
    const { drift, rowsCopied } = await connected(url, async (live) => {
      await live.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
      const found = differencesOf(factsOf(await readCatalog(live)), factsOf(made));
      if (found.length > 0) return { drift: found, rowsCopied: 0 };
      say(`copying ${rows === 'all' ? 'all rows' : `up to ${rows} rows of each table`}`);
      return { drift: found, rowsCopied: await copyRows(live, scratch, made, rows) };
    });
    const steps: RehearsedStep[] = [];
    const released = await readCatalog(scratch);
    const step = async (migration: Migration, direction: RehearsedStep['direction']): Promise<void> => {
      say(`${direction === 'up' ? 'applying' : 'taking back'} ${migration.name}`);
      steps.push(await observeMigration(scratch, migration, direction, released));
    };
    for (const migration of pending) await step(migration, 'up');
    const holds: string[] = [];
    const back: Migration[] = [];
    for (const migration of [...reverted].reverse()) {
      holds.push(...(await holdsOn(scratch, [migration])));
      if (holds.length > 0) break;
      await step(migration, 'down');
      back.unshift(migration);
    }
    for (const migration of back) await step(migration, 'up');
    return { rowsCopied, drift, steps, holds };
  });
