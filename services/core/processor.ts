import type { z } from 'zod';
import type { Job } from '#services/platform/define/job.ts';
import type { Question } from '#services/platform/define/question.ts';
import type { Fence, JobRun, Ports } from './ports.ts';

/** A job and its use-case, whose ports a worker has. */
export type Processor<P = never> = {
  readonly job: Job;
  /** Its runs take no fence, which commits a row before the work begins. */
  readonly isUnfenced?: true;
  readonly work: (ports: P, payload: unknown, run: JobRun) => Promise<unknown>;
  /** Whether there is work, where the schedule of the job has `idleSeconds`. */
  readonly question?: (ports: P) => Question;
};

type Work<P, Run> = (ports: P, run: Run, caller: JobRun['caller']) => Promise<unknown>;
type Run<Payload extends z.ZodType> = JobRun & { readonly payload: z.output<Payload> };

/**
 * Binds a job to its use-case, and to the question whether there is work.
 * @example run(sealAuditEventsJob, sealEvents, () => sealingIsDue)
 */
export const run = <Payload extends z.ZodType, P, Q = unknown>(
  job: Job<Payload>,
  work: Work<P, Run<Payload>>,
  question?: (ports: Q) => Question,
): Processor<P & Q> => ({
  job,
  work: (ports, payload, jobRun) => work(ports, { ...jobRun, payload: job.payload.parse(payload) }, jobRun.caller),
  ...(question === undefined ? {} : { question }),
});

/** Binds a job whose runs may overlap: what it writes is safe to write twice, in any order. */
export const runUnfenced = <Payload extends z.ZodType, P>(
  job: Job<Payload>,
  work: Work<P, Omit<Run<Payload>, 'fence'>>,
): Processor<P> => ({ ...run(job, work), isUnfenced: true });

/** Binds a job whose use-case takes no fence: once a newer run has begun, none of its transactions commits. */
export const runFenced = <Payload extends z.ZodType, P extends Pick<Ports, 'transact'>, Q = unknown>(
  job: Job<Payload>,
  work: Work<P, Run<Payload>>,
  question?: (ports: Q) => Question,
): Processor<P & Q> =>
  run(job, (ports: P, jobRun, caller) => work(fenced(ports, jobRun.fence), jobRun, caller), question);

/** Ports whose transactions do not commit once a newer run has begun. */
export const fenced = <P extends Pick<Ports, 'transact'>>(ports: P, fence: Fence): P => ({
  ...ports,
  transact: (work) =>
    ports.transact(async (tx) => {
      await fence.hold(tx);
      return work(tx);
    }),
});
