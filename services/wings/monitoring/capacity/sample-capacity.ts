import { newestEventSeq } from '#services/core/audit/read/list-events.ts';
import type { Ports } from '#services/core/ports.ts';
import { type CopySampleRow, readCopySamplesBetween } from '../copy-samples.store.ts';
import { readEventHours } from '../event-hours.store.ts';
import { sumOf } from '../take-sample.ts';
import { insertCapacitySample, readMissingHours, readSizes } from './capacity.store.ts';
import {
  CAPACITY_SERIES,
  type CapacitySettings,
  type HourFacts,
  type Measured,
  type Sizes,
} from './capacity-series.ts';

const HOUR_MS = 3_600_000;

/** The values of the series in an hour; those that have none are left out. */
const measuredOf = (facts: HourFacts): Readonly<Record<string, Measured>> =>
  Object.fromEntries(
    Object.entries(CAPACITY_SERIES).flatMap(([name, { measure }]) => {
      const measured = measure(facts);
      return measured === null ? [] : [[name, measured]];
    }),
  );

/** Keeps the sums and the highest values of each hour that is over. Safe to run twice, and again after a pause. */
export async function sampleCapacity(
  ports: Pick<Ports, 'sql' | 'random'>,
  { signal, ...settings }: CapacitySettings & { readonly signal: AbortSignal },
): Promise<void> {
  const { sql } = ports;
  for (const { hour, isNewest } of await readMissingHours(sql)) {
    if (signal.aborted) return;
    const end = new Date(Date.parse(hour) + HOUR_MS).toISOString();
    const [samples, events] = await Promise.all([
      readCopySamplesBetween(sql, hour, end),
      readEventHours(sql, hour, end),
    ]);
    const sizes = isNewest ? await sizesOf(ports) : null;
    await insertCapacitySample(sql, ports.random.uuid(), {
      hour,
      measured: measuredOf({ samples, events, sizes, settings }),
      sums: { ...sumOf(samples.map(({ sample }) => sample)), queueAges: queueAgesOf(samples) },
    });
  }
}

const sizesOf = async ({ sql }: Pick<Ports, 'sql'>): Promise<Sizes> => ({
  ...(await readSizes(sql)),
  sealedEvents: (await newestEventSeq({ sql })) + 1,
});

const QUEUE_AGE = 'queue_age_seconds.';

function queueAgesOf(samples: readonly CopySampleRow[]): Readonly<Record<string, number>> {
  const ages: Record<string, number> = {};
  for (const { sample } of samples)
    for (const [key, age] of Object.entries(sample.gauges)) {
      const queue = key.slice(QUEUE_AGE.length);
      if (key.startsWith(QUEUE_AGE)) ages[queue] = Math.max(ages[queue] ?? 0, age);
    }
  return ages;
}
