import type { Ports } from '#services/core/ports.ts';
import { readMonitoringState } from '../event-hours.store.ts';
import { ADVICE_RULES, adviseOn } from './advice-rules.ts';
import { readCapacityDays, readNewestCapacity } from './capacity.store.ts';
import { type Capacity, DAYS_NEEDED, DAYS_READ } from './capacity-shapes.ts';
import { predictAll } from './predict-capacity.ts';

/** What the trends of the last days lead to, and what would make the installation faster. It changes nothing. */
export async function readCapacity({ sql }: Pick<Ports, 'sql'>): Promise<Capacity> {
  const [{ now }, days, newest] = await Promise.all([
    readMonitoringState(sql),
    readCapacityDays(sql, DAYS_READ),
    readNewestCapacity(sql),
  ]);
  return {
    as_of: now,
    sampled_hour: newest.at(-1)?.hour ?? null,
    days_needed: DAYS_NEEDED,
    predictions: predictAll(days),
    advice: adviseOn(newest),
    rules_checked: newest.length === 0 ? 0 : ADVICE_RULES.length,
  };
}
