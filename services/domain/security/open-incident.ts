import type { Ports } from '../ports.ts';
import { countOpenBySeverity } from './incidents.store.ts';

/** Whether an incident of severity high or critical is not closed yet. */
export const isIncidentOpen = async ({ sql }: Pick<Ports, 'sql'>): Promise<boolean> =>
  (await countOpenBySeverity(sql)).some(({ severity }) => severity === 'high' || severity === 'critical');
