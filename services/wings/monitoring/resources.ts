import type { CopySampleRow } from './copy-samples.store.ts';
import { type CopyUse, type QueueUse, STALE_SECONDS } from './dashboard-shapes.ts';
import { durationOf } from './measures.ts';

type Values = Readonly<Record<string, number>>;

/** `['main', 'refresh']` of the keys `pool.main.used`, `pool.refresh.used` … */
const namesIn = (values: Values, group: string): string[] => [
  ...new Set(
    Object.keys(values)
      .filter((key) => key.startsWith(`${group}.`))
      .map((key) => key.split('.')[1] as string),
  ),
];

const wholeOf = (values: Values, key: string): number => Math.max(0, Math.round(values[key] ?? 0));
const msOf = (seconds: number | undefined): number | null =>
  seconds === undefined ? null : Number((seconds * 1_000).toFixed(3));
const coresOf = (cpuSeconds: number | undefined, seconds: number): number =>
  seconds > 0 ? Number(((cpuSeconds ?? 0) / seconds).toFixed(3)) : 0;

/** The use of each copy in its newest hour. */
export function copiesOf(rows: readonly CopySampleRow[]): CopyUse[] {
  const newest = new Map(rows.map((row) => [row.copy_id, row]));
  return [...newest.values()].map(({ copy_id: copyId, kind, at, seconds, age_seconds: ageSeconds, sample }) => {
    const { gauges, counters, histograms } = sample;
    return {
      copy_id: copyId,
      kind,
      state: ageSeconds > STALE_SECONDS ? 'stale' : 'fresh',
      as_of: at,
      cpu_cores: coresOf(counters.cpu_seconds, seconds),
      hash_cpu_cores: coresOf(counters.hash_cpu_seconds, seconds),
      memory_bytes: wholeOf(gauges, 'memory_bytes'),
      heap_used_bytes: wholeOf(gauges, 'heap_bytes.used'),
      heap_limit_bytes: wholeOf(gauges, 'heap_bytes.limit'),
      event_loop_p99_ms: msOf(gauges['event_loop_delay_seconds.p99']),
      event_loop_utilization: gauges.event_loop_utilization ?? null,
      hash_queue: 'hash_queue' in gauges ? wholeOf(gauges, 'hash_queue') : null,
      pools: namesIn(gauges, 'pool').map((pool) => ({
        pool,
        used: wholeOf(gauges, `pool.${pool}.used`),
        idle: wholeOf(gauges, `pool.${pool}.idle`),
        waiting: wholeOf(gauges, `pool.${pool}.waiting`),
        wait: durationOf(histograms[`pool_wait.${pool}`]),
        timeouts: wholeOf(counters, `pool_timeouts.${pool}`),
      })),
    };
  });
}

/** The queues in the row that was written last of those that have any. */
export function queuesOf(rows: readonly CopySampleRow[]): QueueUse[] {
  const gauges = rows.findLast(({ sample }) => namesIn(sample.gauges, 'queue').length > 0)?.sample.gauges ?? {};
  return namesIn(gauges, 'queue').map((queue) => ({
    queue,
    waiting: wholeOf(gauges, `queue.${queue}.waiting`),
    active: wholeOf(gauges, `queue.${queue}.active`),
    delayed: wholeOf(gauges, `queue.${queue}.delayed`),
    dead: wholeOf(gauges, `queue.${queue}.dead`),
    oldest_seconds: gauges[`queue_age_seconds.${queue}`] ?? 0,
  }));
}
