import { clockFaults } from './clocks.ts';
import { clusterFaults } from './cluster.ts';
import { diskFaults } from './disks.ts';
import type { Fault } from './fault.ts';
import { jobFaults } from './jobs.ts';
import { linkFaults } from './links.ts';
import { mcpFaults } from './mcp.ts';
import { objectStoreFaults } from './object-stores.ts';
import { processFaults } from './processes.ts';
import { receiverFaults } from './receivers.ts';
import { releaseFaults } from './releases.ts';
import { replicaFaults } from './replica.ts';
import { storeFaults } from './stores.ts';

export const allFaults: readonly Fault[] = [
  ...processFaults,
  ...storeFaults,
  ...linkFaults,
  ...clockFaults,
  ...diskFaults,
  ...jobFaults,
  ...receiverFaults,
  ...mcpFaults,
  ...releaseFaults,
  ...clusterFaults,
  ...replicaFaults,
  ...objectStoreFaults,
];

const ofStores: ReadonlySet<string> = new Set(
  [...storeFaults, ...linkFaults, ...clusterFaults].map(({ name }) => name),
);

/** Whether a fault is of PostgreSQL, of Redis or of a link to one of them. */
export const isOfStores = ({ name }: Pick<Fault, 'name'>): boolean => ofStores.has(name);
