import { defineStatement } from '#services/platform/define/statement.ts';
import type { Sql } from '../ports.ts';
import { definePurge, type Purge } from '../shared/purge.store.ts';

/** A day (UTC) with a table of its own, `YYYY-MM-DD`. */
export type OutboxDay = {
  readonly day: string;
  /** False: taken out of the outbox, and not dropped yet. */
  readonly isAttached: boolean;
  /** Whether its rows have stayed as long as they are kept. */
  readonly isOver: boolean;
};

/** A lock that does not come at once is asked for again later: behind one that waits, every writer waits too. */
const lockBriefly = defineStatement('auditOutboxLockBriefly', `SELECT set_config('lock_timeout', '100ms', true)`);
const missingRead = defineStatement(
  'auditOutboxMissingDaysRead',
  `SELECT day::text FROM generate_series((now() AT TIME ZONE 'UTC')::date, (now() AT TIME ZONE 'UTC')::date + $1::int, interval '1 day') day
   WHERE to_regclass(audit_outbox_name(day::date)) IS NULL ORDER BY day`,
);
const partitionMake = defineStatement('auditOutboxPartitionMake', 'SELECT audit_outbox_partition($1::date) AS done');
const daysRead = defineStatement(
  'auditOutboxDaysRead',
  `SELECT day::text, attached AS "isAttached", (now() AT TIME ZONE 'UTC')::date > day + $1::int AS "isOver"
   FROM audit_outbox_days() ORDER BY day`,
);
const dayDetach = defineStatement('auditOutboxDayDetach', 'SELECT audit_outbox_detach($1::date) AS done');
const dayDrop = defineStatement('auditOutboxDayDrop', 'SELECT audit_outbox_drop($1::date) AS done');
const overdueRead = defineStatement(
  'auditOutboxOverdueRead',
  `SELECT (extract(epoch FROM clock_timestamp() - (min(day) + $1::int + 1)::timestamp AT TIME ZONE 'UTC') * 1000)::float8 AS ms
   FROM audit_outbox_days()`,
);

/** Days from today to `ahead` days on that have no table. */
export const readMissingDays = async (sql: Sql, ahead: number): Promise<string[]> =>
  (await sql.query<{ day: string }>(missingRead, [ahead])).map(({ day }) => day.slice(0, 10));

export const readOutboxDays = (sql: Sql, outboxDays: number): Promise<OutboxDay[]> =>
  sql.query<OutboxDay>(daysRead, [outboxDays]);

async function briefly(tx: Sql, statement: typeof dayDrop, day: string): Promise<boolean | null> {
  await tx.query(lockBriefly);
  return (await tx.query<{ done: boolean | null }>(statement, [day]))[0]?.done ?? null;
}

/** False: it was there. Null: rows of that day lie in the DEFAULT partition. Throws `storeUnavailable`: others hold it. */
export const makePartition = (tx: Sql, day: string): Promise<boolean | null> => briefly(tx, partitionMake, day);
/** False while a row of that day is not sealed; null: it was not there. Throws as `makePartition`. */
export const detachDay = (tx: Sql, day: string): Promise<boolean | null> => briefly(tx, dayDetach, day);
/** Whether it was dropped now. Throws as `makePartition`. */
export const dropDay = async (tx: Sql, day: string): Promise<boolean> => (await briefly(tx, dayDrop, day)) === true;

/** Rows of the DEFAULT partition, which never goes; and how late the days are. */
export function outboxPurge(outboxDays: number): Purge {
  const strays = definePurge({
    kind: 'outbox',
    table: 'audit_outbox_default',
    id: 'id',
    ends: 'occurred_at',
    stays: `interval '${Math.trunc(outboxDays)} days'`,
    where: 'seq IS NOT NULL',
  });
  return {
    ...strays,
    readOverdueMs: async (sql) => {
      const [row] = await sql.query<{ ms: number | null }>(overdueRead, [outboxDays]);
      const late = [row?.ms, await strays.readOverdueMs(sql)].filter((ms) => typeof ms === 'number');
      return late.length === 0 ? null : Math.max(...late);
    },
  };
}
