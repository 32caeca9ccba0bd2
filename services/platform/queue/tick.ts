import type { Ports } from '#services/core/ports.ts';
import type { ScheduledJob } from '../define/job.ts';
import type { Question } from '../define/question.ts';
import { defineStatement, type Statement } from '../define/statement.ts';
import { advanceIdleSchedules } from './schedule-rows.ts';

export type AskedJob = { readonly job: ScheduledJob; readonly question: Question };

type Tick = {
  /** Asks every question, and enqueues the jobs that have work. Rejects if PostgreSQL does not answer. */
  run(): Promise<void>;
  /** Whether this run of a job was enqueued here. The timetable enqueues it again until it has ended. */
  hasPlaced(job: string, slotMs: number): boolean;
  /** Time since the job was last found without work; infinite for a job that was not. */
  idleMs(job: string): number;
};

type TickDeps = Pick<Ports, 'sql' | 'clock'> & {
  readonly asked: readonly AskedJob[];
  /** Every job of this worker, with or without a question. */
  readonly jobs: readonly ScheduledJob[];
  /** Enqueues a run that is due. */
  readonly place: (job: ScheduledJob, slotMs: number) => Promise<void>;
  /** How often the rows of jobs without work advance. */
  readonly advanceMs: number;
};

/** `$1` of a question becomes the parameter after those of the questions before it. */
function defineWorkRead(asked: readonly AskedJob[]): { readonly statement: Statement; readonly values: unknown[] } {
  const values: unknown[] = [asked.map(({ job }) => job.name)];
  const cases = asked.map(({ job, question }) => {
    const before = values.length;
    values.push(...question.values);
    return `WHEN '${job.name}' THEN (${question.sql.replaceAll(/\$(\d+)/g, (_, nth) => `$${before + Number(nth)}`)})`;
  });
  // CASE asks no question of a job that is not due. A few dozen rows.
  const text = `SELECT job, (extract(epoch FROM next_run_at) * 1000)::bigint AS slot_ms,
      CASE job ${cases.join('\n')} END AS has_work
    FROM job_schedules WHERE job = ANY ($1) AND next_run_at <= clock_timestamp()`;
  return { statement: defineStatement('jobWorkRead', text), values };
}

/**
 * Asks all questions in one statement, outside a transaction. A job with work is enqueued under the id of its slot, so
 * however many workers see the work, it runs once. For a job without work the tick is its run: its row advances with those
 * of all such jobs, now and then.
 */
export function createTick({ sql, clock, asked, jobs, place, advanceMs }: TickDeps): Tick {
  const { statement, values } = defineWorkRead(asked);
  const byName = new Map(asked.map(({ job }) => [job.name, job]));
  const placed = new Map<string, { readonly slotMs: number; readonly atMs: number }>();
  const idleAtMs = new Map<string, number>();
  let advancedAtMs = clock.monotonic();

  /** Also at the first tick, as the settings may be new. */
  const isLongIdle = (job: ScheduledJob, nowMs: number): boolean =>
    nowMs - (placed.get(job.name)?.atMs ?? Number.NEGATIVE_INFINITY) > (job.schedule.idleSeconds ?? 0) * 1_000;

  const run = async (): Promise<void> => {
    const atMs = clock.monotonic();
    const due = await sql.query<{ job: string; slot_ms: number; has_work: boolean }>(statement, values);
    const idle: { job: string; slotMs: number }[] = [];
    for (const { job: name, slot_ms: slotMs, has_work: hasWork } of due) {
      const job = byName.get(name) as ScheduledJob;
      if (placed.get(name)?.slotMs === slotMs) continue;
      if (hasWork || isLongIdle(job, atMs)) {
        await place(job, slotMs);
        placed.set(name, { slotMs, atMs });
      } else {
        idleAtMs.set(name, atMs);
        idle.push({ job: name, slotMs });
      }
    }
    if (idle.length === 0 || atMs - advancedAtMs < advanceMs) return;
    advancedAtMs = atMs;
    await advanceIdleSchedules(sql, idle, jobs, { advanced: advanceMs / 2, declared: advanceMs * 1.5 });
  };

  return {
    run,
    hasPlaced: (job, slotMs) => placed.get(job)?.slotMs === slotMs,
    idleMs: (job) => clock.monotonic() - (idleAtMs.get(job) ?? Number.NEGATIVE_INFINITY),
  };
}
