import { defineStatement } from '#services/platform/define/statement.ts';
import type { Sql } from '../ports.ts';
import { definePurge, type Purge } from '../shared/purge.store.ts';

/** A day with its own partition. */
type OutboxDay = {
  /** `YYYY-MM-DD`, UTC. */
  readonly day: string;
  /** False: detached from the outbox, and not dropped yet. */
  readonly is_attached: boolean;
  /** Whether the retention of its rows has passed. */
  readonly is_expired: boolean;
};

/** Writers queue behind a waiting ACCESS EXCLUSIVE lock, so the wait is short and the next run retries. */
const lockBriefly = defineStatement('auditOutboxLockBriefly', `SELECT set_config('lock_timeout', '100ms', true)`);
const missingRead = defineStatement('auditOutboxMissingDaysRead')`
  SELECT day::text FROM generate_series((now() AT TIME ZONE 'UTC')::date, (now() AT TIME ZONE 'UTC')::date + $1::int, interval '1 day') day
  WHERE to_regclass(audit_outbox_name(day::date)) IS NULL ORDER BY day`;
const partitionMake = defineStatement('auditOutboxPartitionMake', 'SELECT audit_outbox_partition($1::date) AS done');
const daysRead = defineStatement('auditOutboxDaysRead')`
  SELECT day::text, attached AS is_attached, (now() AT TIME ZONE 'UTC')::date > day + $1::int AS is_expired
  FROM audit_outbox_days() ORDER BY day`;
const dayDetach = defineStatement('auditOutboxDayDetach', 'SELECT audit_outbox_detach($1::date) AS done');
const dayDrop = defineStatement('auditOutboxDayDrop', 'SELECT audit_outbox_drop($1::date) AS done');
const overdueRead = defineStatement('auditOutboxOverdueRead')`
  SELECT (extract(epoch FROM clock_timestamp() - (min(day) + $1::int + 1)::timestamp AT TIME ZONE 'UTC') * 1000)::float8 AS ms
  FROM audit_outbox_days()`;

/** Days without a partition, from today to `ahead` days later. */
export const readMissingDays = async (sql: Sql, ahead: number): Promise<string[]> =>
  (await sql.query<{ day: string }>(missingRead, [ahead])).map(({ day }) => day.slice(0, 10));

export const readOutboxDays = (sql: Sql, outboxDays: number): Promise<OutboxDay[]> =>
  sql.query<OutboxDay>(daysRead, [outboxDays]);

async function withShortLockTimeout(tx: Sql, statement: typeof dayDrop, day: string): Promise<boolean | null> {
  await tx.query(lockBriefly);
  return (await tx.query<{ done: boolean | null }>(statement, [day]))[0]?.done ?? null;
}

/**
 * False: it exists already. Null: the DEFAULT partition has rows of that day.
 * @throws storeUnavailable if another transaction has locked the table
 */
export const makePartition = (tx: Sql, day: string): Promise<boolean | null> =>
  withShortLockTimeout(tx, partitionMake, day);
/** False: that day has unsealed rows. Null: the partition does not exist. Throws like `makePartition`. */
export const detachDay = (tx: Sql, day: string): Promise<boolean | null> => withShortLockTimeout(tx, dayDetach, day);
/** False: it was dropped before. Throws like `makePartition`. */
export const dropDay = async (tx: Sql, day: string): Promise<boolean> =>
  (await withShortLockTimeout(tx, dayDrop, day)) === true;

/** Deletes rows of the DEFAULT partition, which is never dropped. Its overdue time includes that of the partitions. */
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
