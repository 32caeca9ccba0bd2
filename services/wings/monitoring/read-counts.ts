import type { Ports } from '#services/core/ports.ts';
import type { TokenStatistics } from '#services/core/tokens/metadata/read-token-statistics.ts';
import type { CountedType } from './counted-events.ts';
import { type EventSum, NEWEST_EVENT_AT, readMonitoringState, sumEventHours } from './event-hours.store.ts';

export { type EventSum, NEWEST_EVENT_AT };

/** Events of these types in this clock hour and in the last 24, by type and outcome. */
export const readEventSums = ({ sql }: Pick<Ports, 'sql'>, types: readonly CountedType[]): Promise<EventSum[]> =>
  sumEventHours(sql, types);

/** Token families as the job counted them last; null before the first count. */
export const readCountedTokens = async ({ sql }: Pick<Ports, 'sql'>): Promise<TokenStatistics | null> =>
  (await readMonitoringState(sql)).tokens;
