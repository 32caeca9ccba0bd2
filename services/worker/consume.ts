import { setTimeout as sleep } from 'node:timers/promises';
import { jobDuration, jobRuns, jobWait } from '#jobs/metrics.ts';
import type { WorkerPorts, WorkerProcessor } from '#jobs/processors.ts';
import { withJobSpan } from '#observability/job-span.ts';
import type { Clock, Fence, JobRun, Log, Sql } from '../core/ports.ts';
import { isAppError } from '../platform/define/error.ts';
import { errorCodeOf } from '../platform/define/error-code.ts';
import type { Job } from '../platform/define/job.ts';
import { runSuperseded } from '../platform/errors.ts';
import type { Delivery, JobOutcome } from '../platform/queue/consumer.ts';
import { takeFence } from '../platform/queue/fences.ts';
import { jobDataSchema, slotOf } from '../platform/queue/job-data.ts';
import type { Timetable } from '../platform/queue/timetable.ts';

const OUTCOMES = ['completed', 'retried', 'dead', 'superseded', 'interrupted', 'early'] as const;
type Outcome = (typeof OUTCOMES)[number];

type ConsumeDeps = {
  readonly processors: readonly WorkerProcessor[];
  /** Jobs of wings that the installation leaves out. */
  readonly leftOut: readonly Job[];
  readonly ports: WorkerPorts;
  readonly sql: Sql;
  readonly clock: Clock;
  readonly log: Log;
  readonly timetable: Timetable;
  /** Aborted when the drain time of the process is over. */
  readonly stopping: AbortSignal;
};

/** How long the worker waits for an aborted run to stop. */
const SETTLE_MS = 2_000;
/** A processor without a fence does not see this. */
const NO_FENCE: Fence = { number: 0, hold: async () => {} };
/**
 * A scheduled run that is early by at most this waits until it is due. An earlier run is skipped, and the timetable enqueues it again.
 */
const EARLY_MAX_MS = 2_000;

/** A run that was aborted and stopped, or that should not have begun. */
class RunStopped extends Error {
  readonly code: 'job_timed_out' | 'job_interrupted' | 'job_lock_lost' | 'job_early' | 'job_over';
  constructor(code: RunStopped['code']) {
    super(code);
    this.name = 'RunStopped';
    this.code = code;
  }
}

/** The one wrapper around every job: payload, fence, span, time limit, outcome, metrics, timetable. Never rejects. */
export function createJobHandler(deps: ConsumeDeps): (delivery: Delivery) => Promise<JobOutcome> {
  const { clock, log } = deps;
  const byName = new Map<string, WorkerProcessor>(deps.processors.map((processor) => [processor.job.name, processor]));
  const isLeftOut = (name: string): boolean => deps.leftOut.some((job) => job.name === name);
  // Counters start at zero, so that panels and alerts see the first failure as an increase.
  for (const { job } of deps.processors) for (const outcome of OUTCOMES) jobRuns.at(labelsOf(job, outcome));

  return async (delivery) => {
    const processor = byName.get(delivery.name);
    // A run from another release's timetable: a worker that has the contract enqueues it again; without one it ends
    // here. So does a job of a wing that is left out: its work waits in rows, and its schedule finds it once the wing is
    // back. Only reports have no schedule: a wing that is left out keeps none.
    if (processor === undefined && (slotOf(delivery.name, delivery.id) !== undefined || isLeftOut(delivery.name)))
      return { kind: 'done' };
    const data = jobDataSchema.safeParse(delivery.data);
    if (processor === undefined || !data.success || !processor.job.payload.safeParse(data.data.payload).success) {
      const code = processor === undefined ? 'job_unknown' : 'job_payload_invalid';
      log.error({ job: processor?.job.name, code }, 'a job that cannot be run was set aside');
      if (processor) jobRuns.add(1, labelsOf(processor.job, 'dead'));
      return { kind: 'dead', code };
    }
    const { job } = processor;
    if (delivery.attempt === 1)
      jobWait.record(Math.max(0, clock.now() - delivery.dueAtMs) / 1_000, { queue: job.queue });
    const startedAt = clock.monotonic();
    const conclude = async (failure: unknown): Promise<JobOutcome> => {
      const tookMs = clock.monotonic() - startedAt;
      jobDuration.record(tookMs / 1_000, { queue: job.queue, job: job.name });
      const outcome = failure === undefined ? 'completed' : outcomeOf(failure, delivery);
      jobRuns.add(1, labelsOf(job, outcome));
      if (outcome === 'completed' || outcome === 'superseded' || outcome === 'early') return { kind: 'done' };
      const code = errorCodeOf(failure);
      const fields = { err: failure, job: job.name, job_id: delivery.id, attempt: delivery.attempt };
      if (outcome === 'interrupted') return { kind: 'later' };
      if (outcome === 'retried') {
        log.warn(fields, 'a job failed and will be retried');
        return { kind: 'retry', code };
      }
      if (slotOf(job.name, delivery.id) === undefined) {
        log.error(fields, 'a job failed for good and is kept as a dead letter');
        return { kind: 'dead', code };
      }
      log.error(fields, 'a scheduled run failed for good; the next one follows the timetable');
      // If this fails too, the timetable finds a run that is over and a slot that has not passed, and runs it again.
      await deps.timetable.finish(job.name, delivery.id, 'dead', tookMs).catch(() => {});
      return { kind: 'done' };
    };
    let outcome: JobOutcome = { kind: 'done' };
    // Logged inside the run's trace, and a failure is recorded on its span.
    await withJobSpan(job.name, attributesOf(job, delivery), data.data.traceparent, async (traceparent) => {
      let failure: unknown;
      try {
        await runOnce(deps, processor, data.data.payload, delivery, traceparent, startedAt);
      } catch (err) {
        failure = err;
      }
      outcome = await conclude(failure);
      if (failure !== undefined) throw failure;
    }).catch(() => {});
    return outcome;
  };
}

async function runOnce(
  deps: ConsumeDeps,
  { job, isUnfenced, work }: WorkerProcessor,
  payload: unknown,
  delivery: Delivery,
  traceparent: string,
  startedAt: number,
): Promise<void> {
  await untilDue(deps, job, delivery);
  const limit = AbortSignal.timeout(job.timeoutSeconds * 1_000);
  const stop = AbortSignal.any([delivery.signal, deps.stopping, limit]);
  const run: JobRun = {
    jobId: delivery.id,
    attempt: delivery.attempt,
    fence: isUnfenced ? NO_FENCE : await takeFence(deps.sql, job.name),
    signal: stop,
    progress: delivery.progress,
    caller: {
      kind: 'system',
      name: job.name,
      request: { ip: '', userAgent: '', traceId: traceparent.slice(3, 35), traceparent },
    },
  };
  await settled(work(deps.ports, payload, run), stop);
  // Work that stopped early because of an abort is not completed.
  if (delivery.signal.aborted) throw new RunStopped('job_lock_lost');
  if (deps.stopping.aborted) throw new RunStopped('job_interrupted');
  if (limit.aborted) throw new RunStopped('job_timed_out');
  await deps.timetable.finish(job.name, delivery.id, 'completed', deps.clock.monotonic() - startedAt);
}

/** Redis promotes by the clock of the asking worker; the database decides when a slot is due. */
async function untilDue(deps: ConsumeDeps, job: Job, delivery: Delivery): Promise<void> {
  const dueInMs = await deps.timetable.dueInMs(job.name, delivery.id);
  if (dueInMs === undefined) {
    // A worker that read the timetable before the slot was done enqueued this. An explicit retry runs in any case.
    if (delivery.attempt === 1) throw new RunStopped('job_over');
    return;
  }
  if (dueInMs > EARLY_MAX_MS) throw new RunStopped('job_early');
  if (dueInMs > 0) await sleep(dueInMs, undefined, { signal: deps.stopping }).catch(() => {});
}

/** Waits for the work to end; after an abort only for a limited time. */
async function settled(work: Promise<unknown>, stop: AbortSignal): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const left = new Promise<void>((resolve) => {
    const leave = (): void => {
      timer = setTimeout(resolve, SETTLE_MS);
    };
    if (stop.aborted) leave();
    else stop.addEventListener('abort', leave, { once: true });
  });
  try {
    await Promise.race([work, left]);
  } finally {
    clearTimeout(timer);
  }
}

/** Retries temporary and unclassified errors, not refusals. */
function outcomeOf(failure: unknown, delivery: Delivery): Outcome {
  if (isAppError(failure) && failure.definition === runSuperseded.definition) return 'superseded';
  if (failure instanceof RunStopped && (failure.code === 'job_lock_lost' || failure.code === 'job_over'))
    return 'superseded';
  if (failure instanceof RunStopped && failure.code === 'job_interrupted') return 'interrupted';
  if (failure instanceof RunStopped && failure.code === 'job_early') return 'early';
  if (isAppError(failure) && !failure.definition.retryable) return 'dead';
  return delivery.attempt >= delivery.attempts ? 'dead' : 'retried';
}

const labelsOf = <O extends Outcome>(job: Job, outcome: O) => ({ queue: job.queue, job: job.name, outcome });

const attributesOf = (job: Job, delivery: Delivery) => ({
  'messaging.system': 'bullmq',
  'messaging.operation.type': 'process',
  'messaging.operation.name': job.name,
  'messaging.destination.name': job.queue,
  'messaging.message.id': delivery.id,
  'sallyport.job.attempt': delivery.attempt,
});
