import type { z } from 'zod';
import type { JobRun } from '../../services/domain/ports.ts';
import type { Job } from '../../services/platform/define/job.ts';
import type { WorkerPorts } from '../../services/worker/ports.ts';

/** A job with the use-case it runs. */
export type Processor = {
  readonly job: Job;
  readonly work: (ports: WorkerPorts, payload: unknown, run: JobRun) => Promise<unknown>;
};

/**
 * Binds a job to its use-case.
 * @example run(sealEventsJob, (ports, _payload, { fence, caller }) => sealEvents(ports, { fence }, caller))
 */
export function run<Payload extends z.ZodType>(
  job: Job<Payload>,
  work: (ports: WorkerPorts, payload: z.output<Payload>, run: JobRun) => Promise<unknown>,
): Processor {
  return { job, work: (ports, payload, jobRun) => work(ports, job.payload.parse(payload), jobRun) };
}
