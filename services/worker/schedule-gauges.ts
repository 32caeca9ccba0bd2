import { scheduleLastSuccess, scheduleNextRun, scheduleStale } from '#jobs/metrics.ts';
import type { ScheduledJob } from '../platform/define/job.ts';
import type { ScheduleRow } from '../platform/queue/schedule-rows.ts';
import { isStale, type Timetable } from '../platform/queue/timetable.ts';

/** Shows the timetable of this worker in its metrics, until it is closed. */
export function showSchedules(timetable: Pick<Timetable, 'rows'>, jobs: readonly ScheduledJob[]): { close(): void } {
  let isClosed = false;
  for (const job of jobs) {
    const rowOf = (): ScheduleRow | undefined =>
      isClosed ? undefined : timetable.rows()?.find((each) => each.job === job.name);
    const labels = { job: job.name };
    scheduleNextRun.at(labels).observe(() => {
      const row = rowOf();
      return row && row.next_run_at_ms / 1_000;
    });
    scheduleLastSuccess.at(labels).observe(() => {
      const at = rowOf()?.last_succeeded_at_ms ?? null;
      return at === null ? undefined : at / 1_000;
    });
    scheduleStale.at(labels).observe(() => {
      const row = rowOf();
      return row && (isStale(row, job) ? 1 : 0);
    });
  }
  return {
    close: () => {
      isClosed = true;
    },
  };
}
