import { queueJobs, queueOldestAge, workerHealthy } from '#jobs/metrics.ts';
import type { Clock } from '../core/ports.ts';
import type { Job } from '../platform/define/job.ts';
import { isScheduled } from '../platform/define/job.ts';
import type { Consumer } from '../platform/queue/consumer.ts';
import type { Producer } from '../platform/queue/producer.ts';
import { lookAtQueue, type QueueState } from '../platform/queue/queue-state.ts';
import { isStale, type Timetable } from '../platform/queue/timetable.ts';

export type Health = {
  readonly status: 'ok' | 'stalled';
  /** The stalled parts, one phrase each. */
  readonly reasons: readonly string[];
};

type HealthDeps = {
  readonly producer: Producer;
  readonly consumers: readonly Consumer[];
  readonly timetable: Timetable;
  readonly jobs: readonly Job[];
  readonly clock: Clock;
  readonly stallSeconds: number;
  readonly sampleMs: number;
  /** How often the timetable is read. */
  readonly checkMs: number;
};

/**
 * Healthy means that jobs make progress: no due job waits too long, no schedule is stale, both stores answer. For alerts and
 * operators, not for restarting the process, which would only abort its running jobs.
 */
export function createHealth(deps: HealthDeps) {
  const { clock, sampleMs, stallSeconds } = deps;
  const queues = [...new Set(deps.jobs.map((job) => job.queue))];
  const states = new Map<string, { readonly state: QueueState; readonly atMs: number }>();
  const startedAt = clock.monotonic();
  let timer: NodeJS.Timeout | undefined;
  let isClosed = false;

  const sample = async (): Promise<void> => {
    await Promise.allSettled(
      queues.map(async (name) => {
        const state = await lookAtQueue(deps.producer.queue(name), clock.now());
        states.set(name, { state, atMs: clock.monotonic() });
        for (const each of ['waiting', 'active', 'delayed', 'dead'] as const)
          queueJobs.set(state[each], { queue: name, state: each });
        queueOldestAge.set(state.oldestAgeMs / 1_000, { queue: name });
      }),
    );
  };

  const reasonsOf = (name: string): string[] => {
    const known = states.get(name);
    const silentMs = clock.monotonic() - (known?.atMs ?? startedAt);
    if (silentMs > stallSeconds * 1_000) return [`${name}: Redis is unreachable`];
    // A job behind a running one only waits; the time limit of the running job bounds that wait.
    const isLate = known !== undefined && known.state.oldestAgeMs > stallSeconds * 1_000;
    if (isLate && known.state.active === 0) return [`${name}: jobs wait and no worker takes them`];
    return [];
  };

  const isPostgresSilent = (): boolean => deps.timetable.silentMs() > Math.max(stallSeconds * 1_000, 2 * deps.checkMs);

  const read = (): Health => {
    const rows = deps.timetable.rows() ?? [];
    const reasons = [
      ...deps.consumers
        .filter((consumer) => !consumer.isRunning())
        .map(({ queue }) => `${queue}: this worker does not consume it`),
      ...queues.flatMap(reasonsOf),
      ...(isPostgresSilent() ? ['Postgres is unreachable'] : []),
      ...deps.jobs.filter(isScheduled).flatMap((job) => {
        const row = rows.find((each) => each.job === job.name);
        return row && isStale(row, job) ? [`${job.name}: no successful run in time`] : [];
      }),
    ];
    return { status: reasons.length === 0 ? 'ok' : 'stalled', reasons };
  };

  return {
    read,
    start: () => {
      workerHealthy.at().observe(() => (read().status === 'ok' ? 1 : 0));
      const next = (): void => {
        void sample().then(() => {
          if (!isClosed) timer = setTimeout(next, sampleMs).unref();
        });
      };
      next();
    },
    close: () => {
      isClosed = true;
      clearTimeout(timer);
    },
  };
}
