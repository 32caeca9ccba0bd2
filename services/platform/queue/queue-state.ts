import type { Queue } from 'bullmq';

export type QueueState = {
  readonly waiting: number;
  readonly active: number;
  readonly delayed: number;
  readonly dead: number;
  /** How long the job at the head of the queue has waited; 0 when none waits. */
  readonly oldestAgeMs: number;
};

/** Current state of a queue. Rejects within half a second if Redis is unreachable. */
export async function lookAtQueue(queue: Queue, nowMs: number): Promise<QueueState> {
  const counts = await queue.getJobCounts('wait', 'prioritized', 'active', 'delayed', 'failed');
  const [oldest] = counts.wait ? await queue.getJobs(['wait'], 0, 0, true) : [];
  const dueAtMs = oldest ? oldest.timestamp + (oldest.opts.delay ?? 0) : nowMs;
  return {
    waiting: (counts.wait ?? 0) + (counts.prioritized ?? 0),
    active: counts.active ?? 0,
    delayed: counts.delayed ?? 0,
    dead: counts.failed ?? 0,
    oldestAgeMs: Math.max(0, nowMs - dueAtMs),
  };
}
