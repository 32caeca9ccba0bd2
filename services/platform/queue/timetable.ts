import type { Log, Ports } from '#services/core/ports.ts';
import type { ScheduledJob } from '../define/job.ts';
import { jobIdOf, STALLED_TO_DEATH, slotIdOf, slotOf } from './job-data.ts';
import type { Producer } from './producer.ts';
import { repeat } from './repeat.ts';
import {
  declareSchedules,
  finishScheduledRun,
  forgetSchedule,
  readDueIn,
  readSchedules,
  type ScheduleRow,
} from './schedule-rows.ts';
import { type AskedJob, createTick } from './tick.ts';

export type Timetable = {
  /** Writes the timetable, and ensures that the next run of each job is in Redis. Never rejects. */
  reconcile(): Promise<void>;
  /** Records the end of the run with this job id and schedules the next one; ignores ids that are not a slot. */
  finish(job: string, jobId: string, outcome: 'completed' | 'dead', tookMs: number): Promise<void>;
  /** Time until the slot with this job id is due; 0 for any other id, undefined for a slot that has passed. */
  dueInMs(job: string, jobId: string): Promise<number | undefined>;
  /** The timetable as last read, with the elapsed time added; undefined before the first read. */
  rows(): readonly ScheduleRow[] | undefined;
  /** Time since the last successful read of the timetable, or since this object was created. */
  silentMs(): number;
  start(): void;
  close(): Promise<void>;
};

type TimetableOptions = {
  readonly ports: Pick<Ports, 'transact' | 'sql' | 'clock'>;
  readonly producer: Producer;
  readonly jobs: readonly ScheduledJob[];
  /** Those of them that run only if there is work. */
  readonly asked: readonly AskedJob[];
  /** Every queue that this worker consumes, with or without schedules. */
  readonly queues: readonly string[];
  readonly checkMs: number;
  readonly log: Log;
};

/** A worker writes the rows of its contracts again when they were not written for this many checks. */
const DECLARE_AFTER_CHECKS = 12;
/** A job that no worker has declared for this many checks is no longer scheduled. */
const FORGET_AFTER_CHECKS = 2 * DECLARE_AFTER_CHECKS;
/** The rows of jobs without work advance once in this many checks. */
const ADVANCE_AFTER_CHECKS = 3;
/** How often the jobs that have a question are asked for work. */
const TICK_MS = 1_000;

/**
 * The timetable is a table; Redis holds one delayed job for the next slot of each line, under the slot's own id. Any
 * number of workers may add it, also again after Redis lost it; the row advances once, when the run has ended. A job with a
 * question has no delayed job: the tick enqueues its due slot when there is work.
 */
export function createTimetable(options: TimetableOptions): Timetable {
  const { ports, producer, jobs, asked, queues, checkMs, log } = options;
  const byName = new Map<string, ScheduledJob>(jobs.map((job) => [job.name, job]));
  let known: readonly ScheduleRow[] | undefined;
  let readAtMs = ports.clock.monotonic();
  let answeredAtMs = readAtMs;
  let wasFailing = false;
  const loops: { close(): Promise<void> }[] = [];

  const silentMs = (): number => ports.clock.monotonic() - answeredAtMs;
  /** Ages the last reading: while Postgres does not answer, the worker learns of no later success. */
  const rows = (): readonly ScheduleRow[] | undefined => {
    const passedMs = ports.clock.monotonic() - readAtMs;
    return known?.map((row) => ({
      ...row,
      due_in_ms: row.due_in_ms - passedMs,
      since_success_ms: Math.min(row.since_success_ms + passedMs, tick.idleMs(row.job)),
    }));
  };

  const place = async (job: ScheduledJob, slotMs: number, delayMs: number): Promise<void> => {
    await producer.enqueue(job, {}, { jobId: slotIdOf(slotMs), delayMs: Math.max(0, delayMs), traceparent: '' });
  };

  const tick = createTick({
    ...ports,
    asked,
    jobs,
    place: (job, slotMs) => place(job, slotMs, 0),
    advanceMs: checkMs * ADVANCE_AFTER_CHECKS,
  });
  const isAsked = (name: string): boolean => asked.some(({ job }) => job.name === name);

  const finish: Timetable['finish'] = async (name, jobId, outcome, tookMs) => {
    const [job, slotMs] = [byName.get(name), slotOf(name, jobId)];
    if (job === undefined || slotMs === undefined) return;
    const next = await finishScheduledRun(ports.sql, { job: name, slotMs, outcome, tookMs });
    // If Redis is unreachable now, the next check adds the run.
    if (next && !isAsked(name)) await place(job, next.next_run_at_ms, next.every_seconds * 1_000).catch(() => {});
  };

  /** Handles a slot past due whose run was delayed by a clock step, was skipped as too early, or died unreported. */
  const unblock = async (job: ScheduledJob, row: ScheduleRow): Promise<void> => {
    const jobId = jobIdOf(job.name, slotIdOf(row.next_run_at_ms));
    const placed = await producer.queue(job.queue).getJob(jobId);
    const state = await placed?.getState();
    if (state === 'delayed' && placed?.attemptsMade === 0 && row.due_in_ms < -checkMs) await placed.promote();
    if (state === 'failed') {
      await finish(job.name, jobId, 'dead', 0);
      // A failed run is a state of its schedule until the next succeeds. What was not a run of ours stays a dead letter.
      if (STALLED_TO_DEATH.test(placed?.failedReason ?? '')) await placed?.remove();
    }
    // A completed run advances the timetable before its job completes. So if the job is completed and the slot has not
    // passed, the run came too early and was skipped.
    if (state === 'completed' && (await readDueIn(ports.sql, job.name, row.next_run_at_ms)) !== undefined) {
      await placed?.remove();
      await place(job, row.next_run_at_ms, 0);
    }
  };

  /** Removes the next run before the row: if this fails in between, the next check finds the row again. */
  const forget = async (row: ScheduleRow): Promise<void> => {
    const afterMs = checkMs * FORGET_AFTER_CHECKS;
    if (row.since_declared_ms < afterMs) return;
    const placed = await producer.queue(row.queue).getJob(jobIdOf(row.job, slotIdOf(row.next_run_at_ms)));
    if (placed && ['delayed', 'waiting'].includes(await placed.getState())) await placed.remove();
    if (await forgetSchedule(ports.sql, row.job, afterMs)) log.info({ job: row.job }, 'job is no longer scheduled');
  };

  /** Whether a row is missing, differs from its contract, was not written for long, or is further away than its interval. */
  const mustDeclare = (read: readonly ScheduleRow[]): boolean =>
    jobs.some((job) => {
      const row = read.find((each) => each.job === job.name);
      const { everySeconds } = job.schedule;
      if (row === undefined || row.queue !== job.queue || row.every_seconds !== everySeconds) return true;
      return row.since_declared_ms > checkMs * DECLARE_AFTER_CHECKS || row.due_in_ms > everySeconds * 1_000;
    });

  const check = async (): Promise<void> => {
    const askedAtMs = ports.clock.monotonic();
    let read = await readSchedules(ports.sql);
    if (mustDeclare(read)) read = await ports.transact((tx) => declareSchedules(tx, jobs));
    known = read;
    readAtMs = askedAtMs;
    answeredAtMs = askedAtMs;
    const placeable = read.flatMap((row) => {
      const job = byName.get(row.job);
      return job !== undefined && (!isAsked(row.job) || tick.hasPlaced(row.job, row.next_run_at_ms))
        ? [{ job, row }]
        : [];
    });
    // Redis loses the limits of concurrency together with the jobs.
    if (!(await producer.knows(placeable.map(({ job, row }) => ({ job, ownId: slotIdOf(row.next_run_at_ms) }))))) {
      for (const name of queues) await producer.queue(name).setGlobalConcurrency(1);
      for (const { job, row } of placeable) await place(job, row.next_run_at_ms, row.due_in_ms);
    }
    for (const { job, row } of placeable) if (row.due_in_ms < 0) await unblock(job, row);
    for (const row of read) if (!byName.has(row.job)) await forget(row);
  };

  const reconcile = async (): Promise<void> => {
    try {
      await check();
      if (wasFailing) log.info({}, 'schedule reconciliation succeeds again');
      wasFailing = false;
    } catch (err) {
      // Logs a change of state, not every check.
      if (!wasFailing) log.warn({ err }, 'schedule reconciliation failed; retrying');
      wasFailing = true;
    }
  };

  /** If a store does not answer, the next tick asks again; the check logs it. */
  const ask = async (): Promise<void> => {
    const askedAtMs = ports.clock.monotonic();
    await tick.run().then(
      () => {
        answeredAtMs = askedAtMs;
      },
      () => {},
    );
  };

  return {
    reconcile,
    finish,
    dueInMs: async (name, jobId) => {
      const slotMs = byName.has(name) ? slotOf(name, jobId) : undefined;
      return slotMs === undefined ? 0 : readDueIn(ports.sql, name, slotMs);
    },
    rows,
    silentMs,
    start: () => {
      loops.push(repeat(reconcile, () => (wasFailing ? Math.min(checkMs, 1_000) : checkMs)));
      if (asked.length > 0) loops.push(repeat(ask, () => Math.min(checkMs, TICK_MS)));
    },
    close: async () => {
      await Promise.all(loops.map((loop) => loop.close()));
    },
  };
}

/** Whether the last success is older than the contract allows. */
export const isStale = (row: ScheduleRow, job: ScheduledJob): boolean =>
  row.since_success_ms > job.staleAfterSeconds * 1_000;
