import type pg from 'pg';
import { StartError } from '#services/platform/local/errors.ts';
import type { Migration } from '#services/platform/postgres/migration-files.ts';
import { describeSchema, differencesOf } from './describe-schema.ts';

// Before the first release the schema was a chain of 88 migrations, which are one baseline now.
const FIRST = '20261121000100_audit';
const LAST = '20261127020100_collapsed_revocations';
/** Its newest migration is the last one of the chain. */
const COMMIT = '2f2bc9e3aa';
const TRIAL = 'sallyport_baseline';

/** Whether a database has the whole chain, and nothing after it. */
export const endsWithOldChain = (applied: readonly string[]): boolean => applied.at(-1) === LAST;

/** Why a database is refused whose migrations this version does not know: they are of the chain. */
export function oldChainRefusal(unknown: readonly string[], empty: string): StartError | undefined {
  if (unknown[0] !== FIRST) return undefined;
  const last = unknown.at(-1);
  return new StartError(
    'migrations_replaced',
    `the database holds the migrations that one baseline has replaced, up to ${last}`,
    last === LAST
      ? 'npx sallyport migrate up, which adopts it'
      : `start it once with commit ${COMMIT}, which applies those up to ${LAST}, then with this version; or start with ${empty}`,
  );
}

const LINE_MAX = 200;

/**
 * Compares the schema of a database with that of the baseline, which is made beside it and undone. Needs a transaction.
 * @throws StartError `schema_differs`
 */
export async function assertSchemaOf(db: pg.Client, baseline: Migration): Promise<void> {
  const { rows } = await db.query<{ place: string }>('SELECT current_schema() AS place');
  const place = rows[0]!.place;
  const live = await describeSchema(db);
  await db.query(`SAVEPOINT trial; CREATE SCHEMA ${TRIAL}`);
  await db.query(`CREATE TABLE ${TRIAL}._prisma_migrations (LIKE _prisma_migrations INCLUDING ALL)`);
  await db.query(`SET LOCAL search_path = ${TRIAL}`);
  await db.query(baseline.sql);
  const made = (await describeSchema(db)).map((line) => line.replaceAll(TRIAL, place));
  await db.query('ROLLBACK TO SAVEPOINT trial');
  const [first, ...others] = differencesOf(live, made);
  if (first === undefined) return;
  throw new StartError(
    'schema_differs',
    `the schema is not that of its migrations: ${first.split('\n')[0]?.slice(0, LINE_MAX)}${others.length > 0 ? ` and ${others.length} more differences` : ''}`,
    'undo what was changed by hand, then start again',
  );
}
