import type { CopyName } from '../ledger.ts';
import type { Random } from '../random.ts';
import { clockFaults } from './clocks.ts';
import { clusterFaults } from './cluster.ts';
import { diskFaults } from './disks.ts';
import type { Fault } from './fault.ts';
import { jobFaults } from './jobs.ts';
import { linkFaults } from './links.ts';
import { objectStoreFaults } from './object-stores.ts';
import { processFaults } from './processes.ts';
import { receiverFaults } from './receivers.ts';
import { releaseFaults } from './releases.ts';
import { storeFaults } from './stores.ts';

export const allFaults: readonly Fault[] = [
  ...processFaults,
  ...storeFaults,
  ...linkFaults,
  ...clockFaults,
  ...diskFaults,
  ...jobFaults,
  ...receiverFaults,
  ...releaseFaults,
  ...clusterFaults,
  ...objectStoreFaults,
];

const ofStores: ReadonlySet<string> = new Set(
  [...storeFaults, ...linkFaults, ...clusterFaults].map(({ name }) => name),
);

/** Whether a fault is of PostgreSQL, of Redis or of a link to one of them. */
export const isOfStores = ({ name }: Pick<Fault, 'name'>): boolean => ofStores.has(name);

export type Planned = { readonly fault: Fault; readonly copy: CopyName };

/** Faults in an order that the seed draws: each comes once before any comes twice. */
export function planFaults(faults: readonly Fault[], random: Random, count: number): Planned[] {
  const planned: Planned[] = [];
  while (planned.length < count && faults.length > 0)
    for (const fault of random.shuffled(faults)) planned.push({ fault, copy: random.chance(0.5) ? 'A' : 'B' });
  return planned.slice(0, count);
}
