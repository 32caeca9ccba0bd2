import type { Ports } from '../ports.ts';
import { countOpenBySeverity, countRaisedBetween, type IncidentCount } from './incidents.store.ts';

/** Incidents that are not closed, by severity. */
export async function countOpenIncidents({ sql }: Pick<Ports, 'sql'>): Promise<Readonly<Record<string, number>>> {
  return Object.fromEntries((await countOpenBySeverity(sql)).map(({ severity, incidents }) => [severity, incidents]));
}

/** Whether an incident of severity high or critical is not closed yet. */
export const isIncidentOpen = async ({ sql }: Pick<Ports, 'sql'>): Promise<boolean> =>
  (await countOpenBySeverity(sql)).some(({ severity }) => severity === 'high' || severity === 'critical');

/** Incidents that were first seen in a period, by detection. */
export const countIncidents = (
  { sql }: Pick<Ports, 'sql'>,
  { from, to }: { readonly from: string; readonly to: string },
): Promise<IncidentCount[]> => countRaisedBetween(sql, from, to);
