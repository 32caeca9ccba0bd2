// For tests only: a sealing run that dies at any statement, or around moving the high-water mark.
import { fork } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { LogHighWaterStore } from '#services/core/ports.ts';
import { createLogHarness } from '#tools/testing/harness/log.ts';
import { createPatientPool, testCaller } from '#tools/testing/harness/ports.ts';
import { childEnv } from '#tools/testing/processes/child-env.ts';
import { dieAt, dieOfPool, type KillPoint } from '#tools/testing/processes/kill-points.ts';
import { inPatience, sessionsEnded } from '#tools/testing/processes/killable.ts';
import { type SealAnswer, sealEvents } from './seal-events.ts';

export type SealerKill =
  | { readonly at: 'statement'; readonly statement: number }
  | { readonly at: 'before the mark' | 'after the mark' };

export type SealerOptions = { readonly url: string; readonly dataDir: string; readonly kill?: SealerKill };

type SealerReport = { readonly answer: SealAnswer; readonly statements: number };

const sessionName = (id: number | string): string => `log-sealer-${id}`;

/** In a process of its own. Null: it was killed with `kill -9`, and its database sessions have ended. */
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
  const exit = once(child, 'exit') as Promise<[number | null, NodeJS.Signals | null]>;
  const [code, signal] = await inPatience('the sealer', exit).finally(() => child.kill('SIGKILL'));
  if (signal !== 'SIGKILL' && code !== 0) throw new Error(`the sealer ended with ${signal ?? code}`);
  if (signal === 'SIGKILL') await sessionsEnded(options.url, sessionName(child.pid!));
  return report;
}

/** In this process, on connections of its own. Null: it died with them, and its database sessions have ended. */
export async function runMortalSealer(options: SealerOptions): Promise<SealerReport | null> {
  const applicationName = sessionName(randomUUID());
  const pool = createPatientPool({ url: options.url, connections: 8, applicationName });
  const { statements, die, death } = dieOfPool(pool, killPointOf(options));
  const { kill, dataDir } = options;
  const never = new Promise<never>(() => {});
  const harness = await createLogHarness(options.url, {
    pool,
    dataDir,
    logMark: (mark) =>
      killingMark(mark, kill, () => {
        die();
        return never;
      }),
  });
  const sealed = seal(harness, statements);
  const report = await inPatience('the sealer', Promise.race([sealed, death.then(() => null)]));
  if (report === null) await sessionsEnded(options.url, applicationName);
  else await harness.end();
  return report;
}

const killPointOf = ({ kill }: SealerOptions): KillPoint | null =>
  kill?.at === 'statement' ? { statement: kill.statement, moment: 'before' } : null;

const killingMark = (
  mark: LogHighWaterStore,
  kill: SealerKill | undefined,
  die: () => Promise<void>,
): LogHighWaterStore => ({
  ...mark,
  swap: async (expected, next) => {
    if (kill?.at === 'before the mark') await die();
    const done = await mark.swap(expected, next);
    if (kill?.at === 'after the mark') await die();
    return done;
  },
});

async function seal(
  harness: Awaited<ReturnType<typeof createLogHarness>>,
  statements: () => number,
): Promise<SealerReport> {
  const answer = await sealEvents(harness, {}, testCaller);
  await harness.checkpointOutbox.settled();
  return { answer, statements: statements() };
}

async function sealAsProcess(options: SealerOptions): Promise<void> {
  const statements = dieAt(killPointOf(options));
  const { dataDir, kill } = options;
  const harness = await createLogHarness(options.url, {
    dataDir,
    applicationName: sessionName(process.pid),
    logMark: (mark) => killingMark(mark, kill, async () => void process.kill(process.pid, 'SIGKILL')),
  });
  process.send?.(await seal(harness, statements));
  await harness.end();
  process.disconnect?.();
}

const given = process.env.LOG_SEALER;
if (given !== undefined) await sealAsProcess(JSON.parse(given) as SealerOptions);
