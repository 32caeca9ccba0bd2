import { setTimeout as sleep } from 'node:timers/promises';
import type { TcpProxy } from '#tools/testing/processes/tcp-proxy.ts';
import type { StoreName } from '../stores.ts';
import { type Fault, fault } from './fault.ts';

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

export const linkFaults: readonly Fault[] = [...bentLinks, brownOut];
