import { type CollectedMetric, registry } from '#observability/metrics/instruments.ts';
import type { Ports } from '#services/core/ports.ts';
import { insertCopySample } from './copy-samples.store.ts';
import { type CopyKind, QUIET_SAMPLES, SAMPLE_SECONDS } from './dashboard-shapes.ts';
import { SAMPLED_METRICS } from './sampled-metrics.ts';
import { isQuiet, NO_TOTALS, type Sample, sampleOf, totalsOf } from './take-sample.ts';

export type CopySampler = {
  /** Writes what happened since the last row. Never rejects: if that fails, the next row has it too. */
  write(): Promise<void>;
  /** Writes every 15 s from now on, or every 45 s while nothing is asked of this copy. */
  start(): void;
  /** Stops, and writes the rest. */
  close(): Promise<void>;
};

/**
 * Writes what this copy measured to the database, so that the dashboard shows all copies. It reads what the
 * metrics hold anyway: a request does nothing for it.
 */
export function createCopySampler(
  { sql, clock, random, log }: Pick<Ports, 'sql' | 'clock' | 'random' | 'log'>,
  kind: CopyKind,
  collect: () => readonly CollectedMetric[] = () => registry.collect(SAMPLED_METRICS),
): CopySampler {
  const copyId = random.uuid();
  let totals = NO_TOTALS;
  let writtenAt = clock.monotonic();
  let written: Sample | undefined;
  let quiet = 0;
  let timer: NodeJS.Timeout | undefined;

  const write = async (mayWait = false): Promise<void> => {
    const metrics = collect();
    const now = totalsOf(metrics);
    const at = clock.monotonic();
    const row = { id: random.uuid(), copyId, kind, seconds: (at - writtenAt) / 1_000 };
    const sample = sampleOf(metrics, totals, now);
    quiet = written !== undefined && isQuiet(written, sample) ? quiet + 1 : 0;
    if (mayWait && quiet % QUIET_SAMPLES > 0) return;
    try {
      await insertCopySample(sql, { ...row, sample });
      [totals, written] = [now, sample];
      writtenAt = at;
    } catch (err) {
      log.warn({ err }, 'writing what this copy measured failed; the next try follows');
    }
  };

  return {
    write: () => write(),
    start: () => {
      timer = setInterval(() => void write(true), SAMPLE_SECONDS * 1_000).unref();
    },
    close: () => {
      clearInterval(timer);
      return write();
    },
  };
}
