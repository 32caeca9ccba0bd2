import { setTimeout as sleep } from 'node:timers/promises';
import { scheduledJobs } from '#jobs/schedules.ts';
import { createProducer } from '#services/platform/queue/producer.ts';
import type { TcpProxy } from '#tools/testing/processes/tcp-proxy.ts';
import type { CopyName } from '../ledger.ts';
import { WAYS_DOWN } from '../load/hand-offs.ts';
import type { Random } from '../random.ts';
import type { StoreName } from '../stores.ts';
import { clusterFaults } from './cluster.ts';
import { diskFaults } from './disks.ts';
import { type Fault, fault } from './fault.ts';
import { objectStoreFaults } from './object-stores.ts';
import { processFaults } from './processes.ts';
import { releaseFaults } from './releases.ts';
import { storeFaults } from './stores.ts';

const BROWN_OUT_MS = 15_000;

type Act = (link: TcpProxy) => unknown;
const bends: Readonly<Record<string, readonly [bend: Act, straighten: Act]>> = {
  cut: [(link) => link.cut(), (link) => link.restore()],
  hole: [(link) => link.freeze(), (link) => link.thaw()],
  slow: [(link) => link.delay(2_000), (link) => link.delay(0)],
};

/** PostgreSQL is there and answers every statement two seconds late, at both copies. */
const brownOut = fault('brown-out', async ({ system: { copies } }) => {
  const links = [copies.A.links.postgres, copies.B.links.postgres];
  for (const link of links) link.delay(1_000);
  await sleep(BROWN_OUT_MS);
  for (const link of links) link.delay(0);
  return `both copies for ${BROWN_OUT_MS} ms`;
});

const bentLinks: readonly Fault[] = (['postgres', 'redis'] as StoreName[]).flatMap((store) =>
  Object.entries(bends).map(([name, [bend, straighten]]) =>
    fault(`${name}-link-to-${store}`, async ({ system, copy, random }) => {
      const ms = random.pick([3_000, 6_000, 9_000])!;
      const link = system.copies[copy].links[store];
      await bend(link);
      await sleep(ms);
      await straighten(link);
      return `${copy} for ${ms} ms`;
    }),
  ),
);

const linkFaults: readonly Fault[] = [...bentLinks, brownOut];

/** B's wall clock leaps, and is set right again. */
const leap = (name: string, offsetSeconds: number, ms: number): Fault =>
  fault(
    name,
    async ({ system }) => {
      system.clock?.set(offsetSeconds);
      await sleep(ms);
      system.clock?.set(0);
    },
    { needs: 'clock' },
  );

const clockFaults: readonly Fault[] = [
  leap('clock-hour-ahead', 3_600, 6_000),
  leap('clock-hour-behind', -3_600, 6_000),
  leap('clock-seconds-ahead', 3, 6_000),
];

const TIMES = 20;

const jobFaults: readonly Fault[] = [
  fault('jobs-twenty-times', async ({ system }) => {
    const producer = createProducer(system.stores.url('redis'), () => {});
    try {
      await producer.ready(5_000);
      for (const job of scheduledJobs)
        await Promise.all(Array.from({ length: TIMES }, () => producer.enqueue(job, {}, { traceparent: '' })));
    } finally {
      await producer.close();
    }
  }),
];

const DOWN_MS = 12_000;

/** Hand-offs wait meanwhile. */
const receiverFaults: readonly Fault[] = WAYS_DOWN.map((how) =>
  fault(`receiver-${how}`, async ({ receiver }) => {
    receiver.breakDown(how);
    await sleep(DOWN_MS);
    receiver.restore();
    return `for ${DOWN_MS} ms`;
  }),
);

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
