import pg from 'pg';
import type { Row, Sql, Tx } from '#services/core/ports.ts';
import { restoreTargetFull } from '../backups/errors.ts';
import type { Statement } from '../define/statement.ts';
import { copyIn, copyOut } from './copy.ts';
import { migrate } from './migrate.ts';
import { types } from './pool.ts';

type Table = { readonly table: string; readonly columns: readonly string[] };
type Sequence = { readonly name: string; readonly last_value: number; readonly is_called: boolean };
type Migration = { readonly name: string; readonly checksum: string };

const CONNECT_TIMEOUT_MS = 10_000;
/** Any number that no other advisory lock of the product has. */
const RESTORE_LOCK = 72_707_380;

// The text of a value must not depend on the settings of a server, a database or a user.
const PLAIN_TEXT =
  "SET datestyle = 'ISO, YMD'; SET intervalstyle = 'postgres'; SET timezone = 'UTC'; SET extra_float_digits = 1; SET bytea_output = 'hex'; SET synchronize_seqscans = off";

const named = pg.escapeIdentifier;
const listed = (names: readonly string[]): string => names.map((each) => named(each)).join(', ');

async function connect(url: string, applicationName: string): Promise<pg.Client> {
  const client = new pg.Client({
    connectionString: url,
    application_name: applicationName,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    keepAlive: true,
    types,
    options: '-c statement_timeout=0 -c idle_in_transaction_session_timeout=0',
  });
  // A lost connection also rejects the statement in progress.
  client.on('error', () => {});
  await client.connect();
  await client.query(PLAIN_TEXT);
  return client;
}

const sqlOn = (client: pg.Client): Sql => ({
  query: async <R = Row>({ text }: Statement, values: readonly unknown[] = []) =>
    (await client.query(text, [...values])).rows as R[],
});

/** Rows of a partitioned table come from its partitions, which COPY reads only through a query. */
async function copyText(client: pg.Client, { table, columns }: Table): Promise<string> {
  const { rows } = await client.query<{ relkind: string }>('SELECT relkind FROM pg_class WHERE oid = $1::regclass', [
    named(table),
  ]);
  return rows[0]?.relkind === 'p'
    ? `COPY (SELECT ${listed(columns)} FROM ${named(table)}) TO STDOUT`
    : `COPY ${named(table)} (${listed(columns)}) TO STDOUT`;
}

async function* rowsOf(client: pg.Client, table: Table, onRow: (row: Buffer) => void): AsyncGenerator<Buffer> {
  yield* copyOut(client, await copyText(client, table), onRow);
}

const COLUMNS = `SELECT c.relname AS "table", array_agg(a.attname::text ORDER BY a.attnum) AS columns
  FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
  WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p') AND c.relname = ANY($1)
  GROUP BY c.relname`;

async function describe(client: pg.Client, tables: readonly string[]): Promise<Table[]> {
  const { rows } = await client.query<Table>(COLUMNS, [tables]);
  return tables.map((table) => {
    const found = rows.find((row) => row.table === table);
    if (!found) throw new Error(`the database has no table ${table}: apply the pending migrations`);
    return found;
  });
}

async function readSequences(client: pg.Client): Promise<Sequence[]> {
  const { rows } = await client.query<{ name: string }>(
    `SELECT relname AS name FROM pg_class WHERE relkind = 'S' AND relnamespace = current_schema()::regnamespace ORDER BY relname`,
  );
  const found: Sequence[] = [];
  for (const { name } of rows) {
    const { rows: values } = await client.query<Omit<Sequence, 'name'>>(
      `SELECT last_value, is_called FROM ${named(name)}`,
    );
    found.push({ name, ...(values[0] as Omit<Sequence, 'name'>) });
  }
  return found;
}

/**
 * Opens one REPEATABLE READ view of a database on a connection of its own. Until it is closed, vacuum keeps the row
 * versions that it can see.
 */
export async function openBackupSource(url: string) {
  const client = await connect(url, 'sallyport-backup');
  await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
  return {
    sql: sqlOn(client),
    describe: (tables: readonly string[]) => describe(client, tables),
    rowsOf: (table: Table, onRow: (row: Buffer) => void) => rowsOf(client, table, onRow),
    sequences: () => readSequences(client),
    postgresVersion: async () =>
      (await client.query<{ server_version: string }>('SHOW server_version')).rows[0]?.server_version ?? '',
    close: () => client.end(),
  };
}

/** Indexes that are built once over all rows take a fraction of the time of those that grow row by row. */
const LARGE_BYTES = 16 * 1_024 * 1_024;
const INDEX_MEMORY = '512MB';

/** Of a table that is no partition and has none, its indexes but those of exclusion constraints. */
const INDEXES = `SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname) AS drop,
    format('ALTER TABLE %s ADD CONSTRAINT %I %s', conrelid::regclass, conname, pg_get_constraintdef(c.oid)) AS add
  FROM pg_constraint c JOIN pg_class t ON t.oid = conrelid AND t.relkind = 'r'
  WHERE conrelid = $1::regclass AND contype IN ('p', 'u')
  UNION ALL
  SELECT format('DROP INDEX %s', indexrelid::regclass), pg_get_indexdef(indexrelid)
  FROM pg_index i JOIN pg_class t ON t.oid = indrelid AND t.relkind = 'r'
  WHERE indrelid = $1::regclass AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid AND contype <> 'f')`;

/** Drops the indexes of a table; resolves to the statements that build them again. */
async function dropIndexes(client: pg.Client, table: string): Promise<string[]> {
  const { rows } = await client.query<{ drop: string; add: string }>(INDEXES, [named(table)]);
  for (const { drop } of rows) await client.query(drop);
  return rows.map(({ add }) => add);
}

/** Whether a stream has at least so many bytes, and all of it. */
async function peek(
  source: AsyncIterable<Uint8Array>,
  largeBytes: number,
): Promise<{ readonly isLarge: boolean; readonly whole: AsyncIterable<Uint8Array> }> {
  const rest = source[Symbol.asyncIterator]();
  const held: Uint8Array[] = [];
  let bytes = 0;
  while (bytes < largeBytes) {
    const { value, done } = await rest.next();
    if (done) break;
    held.push(value);
    bytes += value.byteLength;
  }
  async function* whole(): AsyncGenerator<Uint8Array> {
    yield* held.splice(0);
    for (let next = await rest.next(); !next.done; next = await rest.next()) yield next.value;
  }
  return { isLarge: bytes >= largeBytes, whole: whole() };
}

/** Empty in a database that never served: no user signed in, and no key was created. */
const TABLES_OF_USE = ['jwks', 'users', 'sessions', 'refresh_families', 'audit_log'];
const APPLIED = `SELECT migration_name AS name, checksum FROM _prisma_migrations
  WHERE finished_at IS NOT NULL AND rolled_back_at IS NULL ORDER BY migration_name`;
const FOREIGN_KEYS = `SELECT conrelid::regclass::text AS "table", conname AS name, pg_get_constraintdef(oid) AS definition
  FROM pg_constraint WHERE contype = 'f' AND conparentid = 0 AND connamespace = current_schema()::regnamespace ORDER BY 1, 2`;

type ForeignKey = { readonly table: string; readonly name: string; readonly definition: string };

const DISK_FULL = '53100';

/** @throws restoreTargetFull (507) */
async function namingFullDisk<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (err) {
    const { code, cause } = err as { code?: string; cause?: { code?: string } };
    if (code === DISK_FULL || cause?.code === DISK_FULL) throw restoreTargetFull({ cause: err });
    throw err;
  }
}

/** Opens a database to restore into, on a connection of its own. */
export async function openRestoreTarget(url: string, { largeBytes = LARGE_BYTES } = {}) {
  const client = await connect(url, 'sallyport-restore');

  async function fill<T>(
    tables: readonly string[],
    outboxDays: readonly string[],
    work: (tx: {
      load(table: Table, rows: AsyncIterable<Uint8Array>): Promise<void>;
      describe(tables: readonly string[]): Promise<Table[]>;
      rowsOf(table: Table, onRow: (row: Buffer) => void): AsyncIterable<Buffer>;
      setSequences(sequences: readonly Sequence[]): Promise<void>;
    }) => Promise<T>,
    then: (tx: Tx) => Promise<void>,
  ): Promise<T> {
    await client.query('BEGIN');
    try {
      for (const day of outboxDays) await client.query('SELECT audit_outbox_partition($1::date)', [day]);
      // Rows must not be recorded, numbered or versioned a second time.
      for (const table of tables) await client.query(`ALTER TABLE ${named(table)} DISABLE TRIGGER USER`);
      const { rows: keys } = await client.query<ForeignKey>(FOREIGN_KEYS);
      for (const { table, name } of keys) await client.query(`ALTER TABLE ${table} DROP CONSTRAINT ${named(name)}`);
      // Migrations leave rows: counters, roles, permissions.
      await client.query(`TRUNCATE ${listed(tables)}`);
      const indexes: string[] = [];
      const result = await work({
        async load(table, rows) {
          const { isLarge, whole } = await peek(rows, largeBytes);
          if (isLarge) indexes.push(...(await dropIndexes(client, table.table)));
          await copyIn(client, `COPY ${named(table.table)} (${listed(table.columns)}) FROM STDIN`, whole);
        },
        describe: (names) => describe(client, names),
        rowsOf: (table, onRow) => rowsOf(client, table, onRow),
        async setSequences(sequences) {
          for (const { name, last_value, is_called } of sequences)
            await client.query('SELECT setval($1::regclass, $2, $3)', [named(name), last_value, is_called]);
        },
      });
      await client.query(`SET LOCAL maintenance_work_mem = '${INDEX_MEMORY}'`);
      for (const statement of indexes) await client.query(statement);
      for (const { table, name, definition } of keys)
        await client.query(`ALTER TABLE ${table} ADD CONSTRAINT ${named(name)} ${definition}`);
      for (const table of tables) await client.query(`ALTER TABLE ${named(table)} ENABLE TRIGGER USER`);
      await then({ ...sqlOn(client), afterCommit: () => {} });
      await client.query('COMMIT');
      return result;
    } catch (err) {
      await client.query('ROLLBACK').catch(() => {});
      throw err;
    }
  }

  return {
    lock: async () =>
      (await client.query<{ is_mine: boolean }>(`SELECT pg_try_advisory_lock(${RESTORE_LOCK}) AS is_mine`)).rows[0]
        ?.is_mine === true,
    async isUnused() {
      const { rows } = await client.query<{ name: string }>(
        `SELECT relname AS name FROM pg_class WHERE relkind IN ('r', 'p', 'v', 'm', 'f') AND relnamespace = current_schema()::regnamespace`,
      );
      const names = rows.map(({ name }) => name);
      // A restore that was killed leaves the tables that its migrations made.
      if (!names.includes('_prisma_migrations')) return names.length === 0;
      for (const table of TABLES_OF_USE.filter((each) => names.includes(each)))
        if ((await client.query(`SELECT FROM ${table} LIMIT 1`)).rows.length > 0) return false;
      return true;
    },
    async migrate(): Promise<Migration[]> {
      await namingFullDisk(migrate(url));
      return (await client.query<Migration>(APPLIED)).rows;
    },
    async fill<T>(...given: Parameters<typeof fill<T>>): Promise<T> {
      const result = await namingFullDisk(fill<T>(...given));
      // Without statistics, the first statements would be planned for empty tables.
      await client.query(`ANALYZE ${listed(given[0])}`);
      return result;
    },
    close: () => client.end(),
  };
}
