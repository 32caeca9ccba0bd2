// For tests only: when Postgres may use the space of dead rows again.
import { eventually } from './eventually.ts';

/** Rows of one statement. */
type Rows = (text: string, values?: readonly unknown[]) => Promise<Record<string, unknown>[]>;

/**
 * Resolves when what is dead by now is dead to everybody, and stays so. A transaction anywhere on the server holds it
 * back while it runs, by the snapshots that others take meanwhile; so does an analysis by autovacuum in this database.
 */
export async function untilDeadToAll(rows: Rows): Promise<void> {
  const [now] = await rows('SELECT pg_current_xact_id()::text AS xid');
  await eventually('the end of every transaction that began before', async () => {
    const [seen] = await rows(
      `SELECT pg_snapshot_xmin(pg_current_snapshot()) > $1::text::xid8 AND NOT EXISTS (
         SELECT FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
           AND greatest(age(backend_xmin), age(backend_xid)) >= age($1::text::xid8::xid)) AS is_over`,
      [now!.xid],
    );
    return seen!.is_over === true;
  });
}
