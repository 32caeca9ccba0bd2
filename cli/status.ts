import type { Command } from 'commander';
import { resolveDataDir } from '../services/platform/local/data-dir.ts';
import { findPostgresUrl } from '../services/platform/local/postgres.ts';
import { findRedisUrl } from '../services/platform/local/redis.ts';
import { placeOf, type StoreName } from '../services/platform/process/store-trouble.ts';
import { askHealth } from '../services/supervisor/ask-health.ts';
import { readRunRecords } from '../services/supervisor/run-record.ts';
import { CommandError, exitCodes } from './exit-codes.ts';
import { createOutput, type GlobalOptions } from './output.ts';

export function registerStatus(program: Command): void {
  program.command('status').action((_own, command: Command) => status(command.optsWithGlobals<GlobalOptions>()));
}

type Child = { readonly name: string; readonly pid: number; readonly ready: boolean; readonly health: string | null };

/** A stopped process keeps its pid and its connections: only a health request reveals that it is stopped. */
const wordOf = ({ pid, ready, health }: Child): string => {
  if (health === 'silent') return `silent: it does not answer (ps -o stat= -p ${pid}; state T: kill -CONT ${pid})`;
  if (!ready) return 'not ready';
  return health === 'stalled' ? 'ready, stalled: npx sallyport doctor' : 'ready';
};

/** State of a store: given by URL, or run from the data directory. */
const placeOfStore = (store: StoreName, given: string | undefined, own: string | undefined): string =>
  given ? `given: ${placeOf(store, given)}` : own ? 'running' : 'not running here';

/** Prints what runs; exit code 3 when nothing does. */
async function status(options: GlobalOptions): Promise<void> {
  const dataDir = resolveDataDir();
  const { DATABASE_URL, REDIS_URL } = process.env;
  const alive = readRunRecords(dataDir).filter((record) => record.alive);
  const running = await Promise.all(
    alive.map(async (record) => {
      const { supervisor, startedAt, api, metrics, tasks, ready } = record;
      const health = await askHealth(record);
      const children = record.children.map(
        (child): Child => ({
          name: child.name,
          pid: child.process.pid,
          ready: child.ready,
          health: health?.[child.name] ?? null,
        }),
      );
      return { pid: supervisor.pid, started_at: startedAt, api, metrics, tasks, ready, children };
    }),
  );
  const state = {
    data_dir: dataDir,
    running,
    postgres: placeOfStore('PostgreSQL', DATABASE_URL, findPostgresUrl(dataDir)),
    redis: placeOfStore('Redis', REDIS_URL, findRedisUrl(dataDir)),
  };
  createOutput(options).data(state, () => [
    `data dir  ${state.data_dir}`,
    `postgres  ${state.postgres}`,
    `redis     ${state.redis}`,
    ...running.flatMap((run) => [
      `api       ${run.api}  ${run.ready ? 'ready' : 'not ready'}  (supervisor pid ${run.pid}, since ${run.started_at})`,
      `metrics   ${run.metrics}`,
      ...(run.tasks === undefined ? [] : [`tasks     ${run.tasks}`]),
      ...run.children.map((child) => `  ${child.name}  pid ${child.pid}  ${wordOf(child)}`),
    ]),
  ]);
  if (running.length === 0)
    throw new CommandError(exitCodes.unreachable, 'nothing runs from this data directory', 'npm start');
}
