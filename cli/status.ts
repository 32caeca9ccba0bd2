import type { Command } from 'commander';
import { resolveDataDir } from '../services/platform/local/data-dir.ts';
import { findPostgresUrl } from '../services/platform/local/postgres.ts';
import { findRedisUrl } from '../services/platform/local/redis.ts';
import { readRunRecords } from '../services/supervisor/run-record.ts';
import { CommandError, exitCodes } from './exit-codes.ts';
import { createOutput, type GlobalOptions } from './output.ts';

export function registerStatus(program: Command): void {
  program
    .command('status')
    .description('what runs from this data directory')
    .action((_own, command: Command) => status(command.optsWithGlobals<GlobalOptions>()));
}

/** Prints what runs; exit code 3 when nothing does. */
function status(options: GlobalOptions): void {
  const dataDir = resolveDataDir();
  const running = readRunRecords(dataDir)
    .filter((record) => record.alive)
    .map(({ supervisor, startedAt, api, metrics, ready, children }) => ({
      pid: supervisor.pid,
      started_at: startedAt,
      api,
      metrics,
      ready,
      children: children.map((child) => ({ name: child.name, pid: child.process.pid, ready: child.ready })),
    }));
  const state = {
    data_dir: dataDir,
    running,
    postgres: findPostgresUrl(dataDir) ? 'running' : 'not running here',
    redis: findRedisUrl(dataDir) ? 'running' : 'not running here',
  };
  createOutput(options).data(state, () => [
    `data dir  ${state.data_dir}`,
    `postgres  ${state.postgres}`,
    `redis     ${state.redis}`,
    ...running.flatMap((run) => [
      `api       ${run.api}  ${run.ready ? 'ready' : 'not ready'}  (supervisor pid ${run.pid}, since ${run.started_at})`,
      `metrics   ${run.metrics}`,
      ...run.children.map((child) => `  ${child.name}  pid ${child.pid}  ${child.ready ? 'ready' : 'not ready'}`),
    ]),
  ]);
  if (running.length === 0)
    throw new CommandError(exitCodes.unreachable, 'nothing runs from this data directory', 'npm start');
}
