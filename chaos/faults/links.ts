import { setTimeout as sleep } from 'node:timers/promises';
import type { TcpProxy } from '#testing/processes/tcp-proxy.ts';
import type { StoreName } from '../stores.ts';
import { type Fault, fault } from './fault.ts';

const bends: Readonly<Record<string, (link: TcpProxy, ms: number) => Promise<void>>> = {
  cut: async (link, ms) => {
    await link.cut();
    await sleep(ms);
    await link.restore();
  },
  hole: async (link, ms) => {
    link.freeze();
    await sleep(ms);
    link.thaw();
  },
  slow: async (link, ms) => {
    link.delay(2_000);
    await sleep(ms);
    link.delay(0);
  },
};

export const linkFaults: readonly Fault[] = (['postgres', 'redis'] as StoreName[]).flatMap((store) =>
  Object.entries(bends).map(([name, bend]) =>
    fault(`${name}-link-to-${store}`, async ({ system, copy, random }) => {
      const ms = random.pick([3_000, 6_000, 9_000])!;
      await bend(system.copies[copy].links[store], ms);
      return `${copy} for ${ms} ms`;
    }),
  ),
);
