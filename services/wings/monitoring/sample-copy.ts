import { type CollectedMetric, registry } from '#observability/metrics/instruments.ts';
import type { Ports } from '#services/core/ports.ts';
import { readSizes } from './capacity/capacity.store.ts';
import {
  type CapacitySettings,
  higherOf,
  type MeasuredSeries,
  measuredOf,
  type Sizes,
} from './capacity/capacity-series.ts';
import { writeCopySample } from './copy-samples.store.ts';
import { type CopyKind, SAMPLE_SECONDS } from './dashboard-shapes.ts';
import { SAMPLED_METRICS } from './sampled-metrics.ts';
import { NO_TOTALS, sampleOf, type Totals, totalsOf } from './take-sample.ts';

const HOUR_MS = 3_600_000;
/** After the start; a worker has looked at its queues by then. */
const FIRST_SECONDS = 15;

type CopySampler = {
  /** Writes what happened in this hour. Never rejects: if that fails, the next write has it too. */
  write(): Promise<void>;
  /** Writes 15 s after the start, and every 45 s from then on. */
  start(): void;
  /** Stops, and writes the rest. */
  close(): Promise<void>;
};

type CopySamplerOptions = {
  readonly kind: CopyKind;
  readonly config: CapacitySettings;
  readonly collect?: () => readonly CollectedMetric[];
};

/** An hour of this copy: its row, and what held when it began. */
type CopyHour = {
  readonly id: string;
  readonly hour: number;
  readonly totals: Totals;
  readonly beganAt: number;
  /** Of the installation, which a worker measures once an hour. */
  sizes?: Sizes;
  measured: MeasuredSeries;
};

/**
 * Writes what this copy measured to the database, a row for each hour, so that the dashboard shows all copies. It reads
 * what the metrics hold anyway: a request does nothing for it.
 */
export function createCopySampler(
  { sql, clock, random, log }: Pick<Ports, 'sql' | 'clock' | 'random' | 'log'>,
  { kind, config, collect = () => registry.collect(SAMPLED_METRICS) }: CopySamplerOptions,
): CopySampler {
  const copyId = random.uuid();
  let written: { readonly totals: Totals; readonly at: number } = { totals: NO_TOTALS, at: clock.monotonic() };
  let current: CopyHour | undefined;
  let timers: NodeJS.Timeout[] = [];

  /** The row of now. An hour begins with what the last write of the one before does not have. */
  const hourOfNow = (): CopyHour => {
    const hour = Math.floor(clock.now() / HOUR_MS);
    if (current?.hour !== hour)
      current = { id: random.uuid(), hour, totals: written.totals, beganAt: written.at, measured: {} };
    return current;
  };

  const write = async (): Promise<void> => {
    const row = hourOfNow();
    const metrics = collect();
    const [totals, at] = [totalsOf(metrics), clock.monotonic()];
    try {
      if (kind === 'worker') row.sizes ??= await readSizes(sql);
      const sample = sampleOf(metrics, row.totals, totals);
      row.measured = higherOf(row.measured, measuredOf({ kind, gauges: sample.gauges, sizes: row.sizes, config }));
      await writeCopySample(sql, {
        ...{ id: row.id, copy_id: copyId, kind, seconds: (at - row.beganAt) / 1_000 },
        sample: { ...sample, measured: row.measured },
      });
      written = { totals, at };
    } catch (err) {
      log.warn({ err }, 'writing what this copy measured failed; the next try follows');
    }
  };

  return {
    write,
    start: () => {
      timers = [
        setTimeout(() => void write(), FIRST_SECONDS * 1_000).unref(),
        setInterval(() => void write(), SAMPLE_SECONDS * 1_000).unref(),
      ];
    },
    close: () => {
      for (const timer of timers) clearTimeout(timer);
      return write();
    },
  };
}
