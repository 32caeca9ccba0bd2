import type { Sql } from '#services/core/ports.ts';
import type { ScheduledJob } from '../define/job.ts';
import { readSchedules, type ScheduleRow } from './schedule-rows.ts';
import { isStale } from './timetable.ts';

/** Jobs that are due start within seconds. */
const LATE_MS = 60_000;

const iso = (unixMs: number | null): string | null => (unixMs === null ? null : new Date(unixMs).toISOString());

function viewOf(row: ScheduleRow, job: ScheduledJob | undefined) {
  return {
    job: row.job,
    queue: row.queue,
    meaning: job?.meaning ?? '',
    every_seconds: row.every_seconds,
    next_run_at: iso(row.next_run_at_ms) as string,
    last_started_at: iso(row.last_started_at_ms),
    last_finished_at: iso(row.last_finished_at_ms),
    last_succeeded_at: iso(row.last_succeeded_at_ms),
    last_outcome: row.last_outcome,
    /** Whether its last success is older than its contract allows. */
    stale: job !== undefined && isStale(row, job),
    /** Whether it has been due for more than a minute. */
    late: row.due_in_ms < -LATE_MS,
  };
}

/** The timetable, as operators see it. @param jobs the scheduled jobs of the installation */
export const readTimetable = async (sql: Sql, jobs: readonly ScheduledJob[]) =>
  (await readSchedules(sql)).map((row) =>
    viewOf(
      row,
      jobs.find(({ name }) => name === row.job),
    ),
  );
