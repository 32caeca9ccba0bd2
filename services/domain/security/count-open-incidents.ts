import type { Ports } from '../ports.ts';
import { countOpenBySeverity } from './incidents.store.ts';

/** Incidents that are not closed, by severity. */
export async function countOpenIncidents({ sql }: Pick<Ports, 'sql'>): Promise<Readonly<Record<string, number>>> {
  return Object.fromEntries((await countOpenBySeverity(sql)).map(({ severity, incidents }) => [severity, incidents]));
}
