import type pg from 'pg';
import { type Look, namingRefusal } from './migrate.ts';
import type { Migration } from './migration-files.ts';

/** Why no rollback may go behind these migrations as the rows are now: one sentence for each hold that finds some. */
export async function holdsOn(
  db: pg.Client,
  migrations: readonly Pick<Migration, 'name' | 'holds'>[],
): Promise<string[]> {
  const found: string[] = [];
  for (const { name, holds } of migrations)
    for (const { rows, because } of holds) {
      const { rows: answer } = await db.query<{ held: boolean }>(`SELECT EXISTS (${rows}) AS held`);
      if (answer[0]?.held) found.push(`migration ${name}: ${because}`);
    }
  return found;
}

const READ = `SELECT relation::regclass::text AS name FROM pg_locks JOIN pg_class c ON c.oid = relation
  WHERE pid = pg_backend_pid() AND locktype = 'relation' AND relkind IN ('r', 'p') AND relnamespace = current_schema()::regnamespace`;

/**
 * As `holdsOn`, in the transaction of a rollback: the tables that the holds of migrations which it takes back read are
 * locked first, so that no other process commits a row after they were asked, which would be lost. What a migration that
 * stays holds is not lost, and requests use its tables meanwhile.
 */
export async function lockedHoldsOn(
  db: pg.Client,
  migrations: readonly Pick<Migration, 'name' | 'down' | 'holds'>[],
): Promise<string[]> {
  const losing = migrations.filter(({ down, holds }) => 'sql' in down && holds.length > 0);
  if (losing.length > 0) {
    await db.query('SAVEPOINT trial');
    await holdsOn(db, losing);
    const { rows: tables } = await db.query<{ name: string }>(READ);
    await db.query('ROLLBACK TO trial');
    if (tables.length > 0)
      await db.query(`LOCK TABLE ${tables.map(({ name }) => name).join(', ')} IN ACCESS EXCLUSIVE MODE`);
  }
  return holdsOn(db, migrations);
}

/** Takes one migration back within the transaction of its caller; `migrate` applies it again. */
export async function revertMigration(
  db: pg.Client,
  { name, down }: Pick<Migration, 'name' | 'down'>,
  look: Look = async () => {},
): Promise<void> {
  if (!('sql' in down)) throw new Error(`migration ${name} has no down.sql`);
  await namingRefusal(name, 'nothing was taken back', () => db.query(down.sql));
  await look(db);
  await db.query(
    `UPDATE _prisma_migrations SET rolled_back_at = now()
     WHERE migration_name = $1 AND finished_at IS NOT NULL AND rolled_back_at IS NULL`,
    [name],
  );
}
