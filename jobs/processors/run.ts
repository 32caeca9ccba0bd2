import type { z } from 'zod';
import type { Fence, JobRun } from '#services/core/ports.ts';
import type { Job } from '#services/platform/define/job.ts';
import type { Question } from '#services/platform/define/question.ts';
import type { WorkerPorts } from './ports.ts';

/** A job and its use-case. */
export type Processor = {
  readonly job: Job;
  /** Its runs take no fence, which commits a row before the work begins. */
  readonly isUnfenced?: true;
  readonly work: (ports: WorkerPorts, payload: unknown, run: JobRun) => Promise<unknown>;
  /** Whether there is work, where the schedule of the job has `idleSeconds`. */
  readonly question?: QuestionOf;
};

type QuestionOf = (ports: WorkerPorts) => Question;

/**
 * Binds a job to its use-case, and to the question whether there is work.
 * @example run(sealEventsJob, (ports, _payload, { fence, caller }) => sealEvents(ports, { fence }, caller))
 */
export function run<Payload extends z.ZodType>(
  job: Job<Payload>,
  work: (ports: WorkerPorts, payload: z.output<Payload>, run: JobRun) => Promise<unknown>,
  question?: QuestionOf,
): Processor {
  return {
    job,
    work: (ports, payload, jobRun) => work(ports, job.payload.parse(payload), jobRun),
    ...(question === undefined ? {} : { question }),
  };
}

/** Binds a job whose runs may overlap: what it writes is safe to write twice, in any order. */
export const runUnfenced = <Payload extends z.ZodType>(
  job: Job<Payload>,
  work: (ports: WorkerPorts, payload: z.output<Payload>, run: Omit<JobRun, 'fence'>) => Promise<unknown>,
): Processor => ({ ...run(job, work), isUnfenced: true });

/** Ports for a use-case that takes no fence: once a newer run has begun, none of its transactions commits. */
export const fenced = <P extends Pick<WorkerPorts, 'transact'>>(ports: P, fence: Fence): P => ({
  ...ports,
  transact: (work) =>
    ports.transact(async (tx) => {
      await fence.hold(tx);
      return work(tx);
    }),
});
