import type { Sql, Tx } from '#services/core/ports.ts';
import { WRITTEN_WITHOUT_BEAT } from '../define/beat-sql.ts';
import type { ScheduledJob } from '../define/job.ts';
import { defineStatement } from '../define/statement.ts';

/** One line of the timetable; times in Unix milliseconds by the database's clock. */
export type ScheduleRow = {
  readonly job: string;
  readonly queue: string;
  readonly every_seconds: number;
  readonly next_run_at_ms: number;
  /** Negative when overdue. */
  readonly due_in_ms: number;
  readonly last_started_at_ms: number | null;
  readonly last_finished_at_ms: number | null;
  readonly last_succeeded_at_ms: number | null;
  readonly last_outcome: 'completed' | 'dead' | null;
  /** Time since the last success, or since the row was created. */
  readonly since_success_ms: number;
  /** Time since a worker last declared the job's contract. */
  readonly since_declared_ms: number;
};

/** Serialises reconciliation across all workers; held for four short statements. */
const jobScheduleLock = defineStatement('jobScheduleLock')`
  SELECT pg_advisory_xact_lock(hashtext('sallyport/job_schedules'))`;

/** Moves a run that is further away than its interval, as after a clock step or a shortened interval, to now plus the interval. */
const jobScheduleDeclare = defineStatement('jobScheduleDeclare')`
  INSERT INTO job_schedules AS s (job, queue, every_seconds, next_run_at)
  SELECT job, queue, every_seconds, clock_timestamp()
  FROM unnest($1::text[], $2::text[], $3::int[]) AS declared(job, queue, every_seconds)
  ON CONFLICT (job) DO UPDATE SET queue = EXCLUDED.queue, every_seconds = EXCLUDED.every_seconds,
    declared_at = clock_timestamp(),
    next_run_at = least(s.next_run_at, clock_timestamp() + make_interval(secs => EXCLUDED.every_seconds))`;

/** Rows that no running worker declares any more. Without an index: a few dozen rows at most. */
const jobScheduleForget = defineStatement('jobScheduleForget')`
  DELETE FROM job_schedules
  WHERE job = $1 AND declared_at < clock_timestamp() - make_interval(secs => $2::float8 / 1000) RETURNING job`;

const jobScheduleList = defineStatement('jobScheduleList')`
  SELECT job, queue, every_seconds,
    (extract(epoch FROM next_run_at) * 1000)::bigint AS next_run_at_ms,
    (extract(epoch FROM next_run_at - clock_timestamp()) * 1000)::bigint AS due_in_ms,
    (extract(epoch FROM last_started_at) * 1000)::bigint AS last_started_at_ms,
    (extract(epoch FROM last_finished_at) * 1000)::bigint AS last_finished_at_ms,
    (extract(epoch FROM last_succeeded_at) * 1000)::bigint AS last_succeeded_at_ms,
    last_outcome,
    (extract(epoch FROM clock_timestamp() - coalesce(last_succeeded_at, created_at)) * 1000)::bigint AS since_success_ms,
    (extract(epoch FROM clock_timestamp() - declared_at) * 1000)::bigint AS since_declared_ms
  FROM job_schedules ORDER BY job`;

/** By the primary key; no row when the slot has passed. */
const jobScheduleDueIn = defineStatement('jobScheduleDueIn')`
  SELECT (extract(epoch FROM next_run_at - clock_timestamp()) * 1000)::bigint AS due_in_ms
  FROM job_schedules WHERE job = $1 AND next_run_at = to_timestamp($2::float8 / 1000)::timestamptz(3)`;

/** Compares the slot, so that a run that is reported twice advances the timetable only once. By the primary key. */
const jobScheduleFinish = defineStatement('jobScheduleFinish')`
  UPDATE job_schedules SET
    next_run_at = clock_timestamp() + make_interval(secs => every_seconds),
    last_started_at = clock_timestamp() - make_interval(secs => $4::float8 / 1000),
    last_finished_at = clock_timestamp(),
    last_succeeded_at = CASE WHEN $3 = 'completed' THEN clock_timestamp() ELSE last_succeeded_at END,
    last_outcome = $3
  WHERE job = $1 AND next_run_at = to_timestamp($2::float8 / 1000)::timestamptz(3)
  RETURNING (extract(epoch FROM next_run_at) * 1000)::bigint AS next_run_at_ms, every_seconds`;

/**
 * For jobs that were due and had no work: the question was their run. Skips rows that another worker has just advanced, and
 * slots that have passed. In the same commit declares the other jobs. By the primary key.
 */
const jobScheduleAdvanceIdle = defineStatement('jobScheduleAdvanceIdle')`
  WITH declared AS (UPDATE job_schedules SET declared_at = clock_timestamp()
    WHERE job = ANY ($4) AND job <> ALL ($1) AND declared_at < clock_timestamp() - make_interval(secs => $5::float8 / 1000)
  ), written AS (
    UPDATE job_schedules s SET next_run_at = clock_timestamp() + make_interval(secs => every_seconds),
      last_started_at = clock_timestamp(), last_finished_at = clock_timestamp(), last_succeeded_at = clock_timestamp(),
      last_outcome = 'completed', declared_at = clock_timestamp()
    FROM unnest($1::text[], $2::float8[]) AS idle(job, slot_ms)
    WHERE s.job = idle.job AND s.next_run_at = to_timestamp(idle.slot_ms / 1000)::timestamptz(3)
      AND coalesce(s.last_finished_at < clock_timestamp() - make_interval(secs => $3::float8 / 1000), true)
    RETURNING s.job
  ), ${WRITTEN_WITHOUT_BEAT} SELECT FROM written`;

/** Writes the timetable of these contracts, and returns the resulting rows. */
export async function declareSchedules(tx: Tx, jobs: readonly ScheduledJob[]): Promise<ScheduleRow[]> {
  await tx.query(jobScheduleLock);
  await tx.query(jobScheduleDeclare, [
    jobs.map((job) => job.name),
    jobs.map((job) => job.queue),
    jobs.map((job) => job.schedule.everySeconds),
  ]);
  return tx.query<ScheduleRow>(jobScheduleList);
}

/** Advances the rows of jobs without work, unless done within `advanced` ms; declares the others, unless within `declared` ms. */
export async function advanceIdleSchedules(
  sql: Sql,
  idle: readonly { readonly job: string; readonly slotMs: number }[],
  jobs: readonly ScheduledJob[],
  fresh: { readonly advanced: number; readonly declared: number },
): Promise<void> {
  const names = jobs.map(({ name }) => name);
  const slots = [idle.map(({ job }) => job), idle.map(({ slotMs }) => slotMs)];
  await sql.query(jobScheduleAdvanceIdle, [...slots, fresh.advanced, names, fresh.declared]);
}

/** Removes a row that no worker has declared for this long; false if a worker has, or the row is gone. */
export const forgetSchedule = async (sql: Sql, job: string, afterMs: number): Promise<boolean> =>
  (await sql.query(jobScheduleForget, [job, afterMs])).length > 0;

export const readSchedules = (sql: Sql): Promise<ScheduleRow[]> => sql.query<ScheduleRow>(jobScheduleList);

/** Time until a slot is due; undefined if it has passed. */
export async function readDueIn(sql: Sql, job: string, slotMs: number): Promise<number | undefined> {
  const [row] = await sql.query<{ due_in_ms: number }>(jobScheduleDueIn, [job, slotMs]);
  return row?.due_in_ms;
}

/** Records the end of a scheduled run and returns the next slot; undefined when this slot had already passed. */
export async function finishScheduledRun(
  sql: Sql,
  run: {
    readonly job: string;
    readonly slotMs: number;
    readonly outcome: 'completed' | 'dead';
    readonly tookMs: number;
  },
): Promise<{ readonly next_run_at_ms: number; readonly every_seconds: number } | undefined> {
  const rows = await sql.query<{ next_run_at_ms: number; every_seconds: number }>(jobScheduleFinish, [
    run.job,
    run.slotMs,
    run.outcome,
    run.tookMs,
  ]);
  return rows[0];
}
