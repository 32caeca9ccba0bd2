import type { Ports } from '#services/core/ports.ts';
import { readCopySamples } from '../copy-samples.store.ts';
import { readMonitoringState } from '../event-hours.store.ts';
import { hoursUntil } from '../measures.ts';
import { ADVICE_RULES, adviseOn } from './advice-rules.ts';
import { readCapacityDays } from './capacity.store.ts';
import { type Capacity, DAYS_NEEDED, DAYS_READ } from './capacity-shapes.ts';
import { predictAll } from './predict-capacity.ts';

export type { Capacity } from './capacity-shapes.ts';

const ADVICE_HOURS = 24;

/** What the trends of the last days lead to, and what would make the installation faster. It changes nothing. */
export async function readCapacity({ sql }: Pick<Ports, 'sql'>): Promise<Capacity> {
  const [{ now }, days, rows] = await Promise.all([
    readMonitoringState(sql),
    readCapacityDays(sql, DAYS_READ),
    readCopySamples(sql, ADVICE_HOURS),
  ]);
  const newest = rows.at(-1);
  return {
    as_of: now,
    sampled_hour: newest === undefined ? null : (hoursUntil(newest.at, 1)[0] as string),
    days_needed: DAYS_NEEDED,
    predictions: predictAll(days),
    advice: adviseOn(rows.map(({ sample }) => sample)),
    rules_checked: rows.length === 0 ? 0 : ADVICE_RULES.length,
  };
}
