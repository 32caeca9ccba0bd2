import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import type { Bench, BenchContext } from '../lib/bench.ts';
import { cpuSecondsOf } from '../lib/cpu-time.ts';
import type { Figure } from '../lib/figure.ts';
import { IDLE_BOUNDS, idleCosts, type Sources } from '../lib/idle-costs.ts';

const IDLE_SECONDS = 180;
/** Of the sources that the detail of a figure names. */
const NAMED = 6;

/** A product whose PostgreSQL counts statements, on an empty data directory. */
async function startCounting(context: BenchContext) {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-idle-'));
  chmodSync(folder, 0o755);
  context.onClose(() => rmSync(folder, { recursive: true, force: true }));
  const dataDir = join(folder, 'data');
  const first = await context.start({}, { dataDir });
  const client = new pg.Client({ connectionString: first.credentials.database_url });
  await client.connect();
  await client.query(`ALTER SYSTEM SET shared_preload_libraries = 'pg_stat_statements'`);
  await client.end();
  await first.stop();
  return context.start({}, { dataDir });
}

const mostOf = (sources: Sources, scale: number, unit: string): string =>
  Object.entries(sources)
    .slice(0, NAMED)
    .map(([name, value]) => `${name} ${(value * scale).toFixed(1)}`)
    .join(' · ')
    .concat(` ${unit}`);

export const idle: Bench = {
  name: 'idle',
  about: 'what an installation that nobody uses does, as it ships, in all its processes',
  limit: 'nothing: what the schedules and polls cost',
  async run(context) {
    const product = await startCounting(context);
    try {
      const processors = (): Map<string, number> => {
        const named = Object.entries(product.processes()).map(([name, pid]) => [name, cpuSecondsOf(pid)] as const);
        const all = cpuSecondsOf(product.startPid);
        const rest = all - named.reduce((sum, [, seconds]) => sum + seconds, 0);
        return new Map([...named, ['supervisor', rest]]);
      };
      let before = new Map<string, number>();
      const costs = await idleCosts(product, {
        seconds: IDLE_SECONDS,
        onQuiet: () => {
          before = processors();
        },
      });
      const shares = Object.fromEntries(
        [...processors()].map(([name, used]) => [name, ((used - (before.get(name) ?? 0)) / costs.seconds) * 100]),
      );
      for (const [what, sources] of Object.entries(costs.sources))
        for (const [name, value] of Object.entries(sources))
          context.say(`${what}: ${(value * 60).toFixed(1).padStart(8)} a minute  ${name}`);
      const { jobs, fsyncs, walBytes, redisCommands, sources } = costs;
      const measured = { seconds: costs.seconds };
      const figures: Figure[] = [
        {
          name: 'processor time of an idle installation, all processes',
          ...{ unit: '% of a core', value: Object.values(shares).reduce((sum, each) => sum + each, 0) },
          target: { atMost: 2 },
          measured: { ...measured, shares },
          detail: mostOf(shares, 1, '%'),
        },
        {
          name: 'jobs that an idle installation runs',
          ...{ unit: 'a second', value: jobs, target: { atMost: IDLE_BOUNDS.jobs } },
          measured: { ...measured, sources: sources.jobs },
          detail: mostOf(sources.jobs, 60, 'a minute'),
        },
        {
          name: 'writes to disk that an idle installation waits for (fsync)',
          ...{ unit: 'a second', value: fsyncs, target: { atMost: 0.5 } },
          measured: { ...measured, sources: sources.fsyncs },
          detail: mostOf(sources.fsyncs, 60, 'a minute'),
        },
        {
          name: 'write-ahead log of an idle installation',
          ...{ unit: 'MB a day', value: (walBytes * 86_400) / 1_000_000, target: { atMost: 30 } },
          measured: { ...measured, statements: sources.walBytes },
          detail: mostOf(sources.walBytes, 86_400 / 1_000_000, 'MB a day'),
        },
        {
          name: 'commands to Redis of an idle installation, those of scripts included',
          ...{ unit: 'a second', value: redisCommands, target: { atMost: 30 } },
          measured: { ...measured, sources: sources.redisCommands },
          detail: mostOf(sources.redisCommands, 60, 'a minute'),
        },
      ];
      return figures;
    } finally {
      await product.stop();
    }
  },
};
