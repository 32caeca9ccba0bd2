import { setTimeout as sleep } from 'node:timers/promises';
import type { Bench } from '../lib/bench.ts';
import { cpuSecondsOf } from '../lib/cpu-time.ts';
import { totalOf } from '../lib/prometheus-text.ts';

/** Until compilation and first runs are over. */
const SETTLE_MS = 30_000;
const IDLE_MS = 60_000;

export const idle: Bench = {
  name: 'idle',
  about: 'processor time and jobs of an installation that nobody uses, as it ships',
  async run(context) {
    const product = await context.start();
    try {
      const read = async () => {
        const pids = Object.entries(product.processes());
        const metrics = await (await fetch(product.metrics)).text();
        return {
          cpu: new Map(pids.map(([name, pid]) => [name, cpuSecondsOf(pid)])),
          runs: totalOf(metrics, 'sallyport_jobs_total'),
          atMs: performance.now(),
        };
      };
      await sleep(SETTLE_MS);
      const before = await read();
      await sleep(IDLE_MS);
      const after = await read();
      const seconds = (after.atMs - before.atMs) / 1_000;
      const shares = [...after.cpu].map(
        ([name, used]) => [name, ((used - (before.cpu.get(name) ?? 0)) / seconds) * 100] as const,
      );
      const share = shares.reduce((sum, [, each]) => sum + each, 0);
      const runsPerSecond = (after.runs - before.runs) / seconds;
      const of = shares.map(([name, each]) => `${name} ${each.toFixed(1)}`).join(', ');
      return [
        {
          name: 'processor time of an idle installation (API, worker, PostgreSQL, Redis)',
          ...{ unit: '% of a core', value: share, measured: { seconds, shares: Object.fromEntries(shares) } },
          detail: `${of} %`,
        },
        {
          name: 'jobs that an idle installation runs',
          ...{ unit: 'a second', value: runsPerSecond, measured: { seconds, runs: after.runs - before.runs } },
          detail: `${after.runs - before.runs} in ${seconds.toFixed(0)} s`,
        },
      ];
    } finally {
      await product.stop();
    }
  },
};
