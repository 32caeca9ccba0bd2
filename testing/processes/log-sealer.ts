// For tests only: a sealing run in its own process, killed at any statement or around moving the high-water mark.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { type SealAnswer, sealEvents } from '#services/domain/audit/seal/seal-events.ts';
import type { LogMarkStore } from '#services/domain/ports.ts';
import { createLogHarness } from '../harness/log.ts';
import { queryRows, testCaller } from '../harness/ports.ts';
import { childEnv } from './child-env.ts';
import { dieAt } from './kill-points.ts';

export type SealerKill =
  | { readonly at: 'statement'; readonly statement: number }
  | { readonly at: 'before the mark' | 'after the mark' };

export type SealerOptions = {
  readonly url: string;
  readonly dataDir: string;
  readonly kill?: SealerKill;
};

type SealerReport = { readonly answer: SealAnswer; readonly statements: number };

/** Resolves when the run has ended. Null: it was killed, and its database sessions have ended. */
export async function runSealer(options: SealerOptions): Promise<SealerReport | null> {
  const child = fork(fileURLToPath(import.meta.url), {
    execArgv: [],
    env: { ...childEnv(), LOG_SEALER: JSON.stringify(options) },
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  let report: SealerReport | null = null;
  child.on('message', (message: SealerReport) => {
    report = message;
  });
  const [code, signal] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null];
  if (signal !== 'SIGKILL' && code !== 0) throw new Error(`the sealer ended with ${signal ?? code}`);
  const sessions = 'SELECT 1 FROM pg_stat_activity WHERE application_name = $1';
  while (signal === 'SIGKILL' && (await queryRows(options.url, sessions, [sessionName(child.pid!)])).length > 0);
  return report;
}

const sessionName = (pid: number): string => `log-sealer-${pid}`;
const die = (): void => void process.kill(process.pid, 'SIGKILL');

function killingMark(mark: LogMarkStore, kill: SealerKill | undefined): LogMarkStore {
  return {
    ...mark,
    swap: async (expected, next) => {
      if (kill?.at === 'before the mark') die();
      const done = await mark.swap(expected, next);
      if (kill?.at === 'after the mark') die();
      return done;
    },
  };
}

async function seal({ url, dataDir, kill }: SealerOptions): Promise<void> {
  const statements = dieAt(kill?.at === 'statement' ? { statement: kill.statement, moment: 'before' } : null);
  const harness = await createLogHarness(url, {
    dataDir,
    applicationName: sessionName(process.pid),
    logMark: (mark) => killingMark(mark, kill),
  });
  const answer = await sealEvents(harness, {}, testCaller);
  await harness.checkpointOutbox.settled();
  process.send?.({ answer, statements: statements() } satisfies SealerReport);
  await harness.end();
  process.disconnect?.();
}

const given = process.env.LOG_SEALER;
if (given !== undefined) await seal(JSON.parse(given) as SealerOptions);
