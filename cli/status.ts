import type { Command } from 'commander';
import { resolveDataDir } from '../services/platform/local/data-dir.ts';
import { outdatedBundle } from '../services/platform/local/outdated-bundle.ts';
import { findPostgresUrl } from '../services/platform/local/postgres.ts';
import { findRedisUrl } from '../services/platform/local/redis.ts';
import { placeOf, type StoreName } from '../services/platform/process/store-trouble.ts';
import { askHealth, askReadiness } from '../services/supervisor/ask-health.ts';
import { type RunRecord, readRunRecords } from '../services/supervisor/run-record.ts';
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

type Answer = { readonly ready: boolean; readonly faults: readonly string[] };

/** What a run's API says of itself. Without a part that it names as a fault it may still be ready. */
async function askApi(record: RunRecord): Promise<Answer> {
  if (!record.ready) return { ready: false, faults: ['a process is not ready'] };
  if (!record.children.some(({ name }) => name.startsWith('api'))) return { ready: true, faults: [] };
  const answer = await askReadiness(record);
  if (answer === null) return { ready: false, faults: ['it does not answer'] };
  const faults = Object.entries(answer.components).filter(([, state]) => state !== 'ok');
  return { ready: answer.status === 'ready', faults: faults.map(([part, state]) => `${part} ${state}`) };
}

const apiWord = (isReady: boolean, faults: readonly string[]): string =>
  `${isReady ? 'ready' : 'NOT READY'}${faults.length === 0 ? '' : `: ${faults.join(', ')}`}`;

/** State of a store: given by URL, or run from the data directory. */
const placeOfStore = (store: StoreName, given: string | undefined, own: string | undefined): string =>
  given ? `given: ${placeOf(store, given)}` : own ? 'running' : 'not running here';

/** Prints what runs; exit code 3 when nothing does, 1 when an API is not ready. */
async function status(options: GlobalOptions): Promise<void> {
  const dataDir = resolveDataDir();
  const { DATABASE_URL, REDIS_URL } = process.env;
  const alive = readRunRecords(dataDir).filter((record) => record.alive);
  const running = await Promise.all(
    alive.map(async (record) => {
      const { supervisor, startedAt, api, metrics, tasks } = record;
      const [health, answer] = await Promise.all([askHealth(record), askApi(record)]);
      const children = record.children.map(
        (child): Child => ({
          name: child.name,
          pid: child.process.pid,
          ready: child.ready,
          health: health?.[child.name] ?? null,
        }),
      );
      return { ...{ pid: supervisor.pid, started_at: startedAt, api, metrics, tasks }, ...answer, children };
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
      `api       ${run.api}  ${apiWord(run.ready, run.faults)}  (supervisor pid ${run.pid}, since ${run.started_at})`,
      `metrics   ${run.metrics}`,
      ...(run.tasks === undefined ? [] : [`tasks     ${run.tasks}`]),
      ...run.children.map((child) => `  ${child.name}  pid ${child.pid}  ${wordOf(child)}`),
    ]),
  ]);
  const outdated = outdatedBundle();
  if (outdated !== undefined) createOutput(options).say(`${outdated.message}: ${outdated.fix}`);
  if (running.length === 0)
    throw new CommandError(exitCodes.unreachable, 'nothing runs from this data directory', 'npm start');
  if (running.some(({ ready }) => !ready)) {
    createOutput(options).say('not ready: npx sallyport doctor names the cause');
    process.exitCode = exitCodes.checkFailed;
  }
}
