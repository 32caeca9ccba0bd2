import { type Check, fail, pass, type Result, warn } from '#services/core/health/doctor-check.ts';
import type { Marks } from '#services/core/ports.ts';
import { defineStatement } from '#services/platform/define/statement.ts';
import { resolveDataDir } from '#services/platform/local/data-dir.ts';
import { createMarks } from '#services/platform/marks/mark-stores.ts';
import { withDatabase } from '../database-ports.ts';

// One row. Short-lived processes (the command line, a start) are not counted.
const stateFacts = defineStatement('doctorStateFacts')`
  SELECT incarnation::text, revocation_epoch AS epoch, beat,
    (SELECT count(DISTINCT coalesce(client_addr::text, '')) FROM pg_stat_activity
     WHERE datname = current_database() AND application_name LIKE 'sallyport-%'
       AND application_name NOT IN ('sallyport-cli', 'sallyport-prepare')) AS hosts
  FROM feed_state`;

type StateFacts = { incarnation: string; epoch: number; beat: number; hosts: number };

export function marksResult(store: 'file' | 's3', marks: Marks | null, state: StateFacts): Result {
  if (!marks) return warn(`none yet (${store}): the database is trusted as it is`, 'start the API once');
  const isBehind =
    state.incarnation !== marks.incarnation || state.epoch < marks.revocationEpoch || state.beat < marks.beat;
  if (isBehind)
    return fail(
      `the database is behind its high-water marks (epoch ${state.epoch} of ${marks.revocationEpoch})`,
      'restore the newer database, or npx sallyport restore --accept-loss',
    );
  const evidence = `${store}, epoch ${state.epoch}, not behind`;
  if (store === 'file' && state.hosts > 1)
    return warn(
      `${evidence}; processes of ${state.hosts} addresses use the database`,
      'set MARK_STORE=s3, or make them share SALLYPORT_DATA_DIR: a machine without high-water marks trusts any database',
    );
  return pass(evidence);
}

/** The high-water marks in MARK_STORE; an object store is also tested for conditional writes. */
export const marksCheck: Check = {
  name: 'marks',
  needs: 'databaseUrl',
  run: (settings) =>
    withDatabase(async ({ sql }) => {
      const config = (await settings()).marks;
      const marks = await createMarks(config, resolveDataDir(process.env)).read();
      const [state] = await sql.query<StateFacts>(stateFacts);
      return state
        ? marksResult(config.store, marks, state)
        : fail('the database has no state', 'npx sallyport migrate up');
    }),
};
