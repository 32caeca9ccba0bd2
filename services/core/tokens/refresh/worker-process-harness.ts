import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { childEnv } from '#tools/testing/processes/child-env.ts';
import type { WorkerAnswer, WorkerOptions, WorkerRequest } from './family-worker-harness.ts';

const SCRIPT = fileURLToPath(new URL('./family-worker-harness.ts', import.meta.url));

/** A worker process as its parent sees it. */
export type WorkerProcess = {
  readonly newestKv: number;
  /** Null when the process died before it answered. */
  present(request: Omit<WorkerRequest, 'id'>): Promise<WorkerAnswer | null>;
  inFlight(): number;
  isAlive(): boolean;
  /**
   * Kill -9: whatever is in flight is never answered. Its statements may outlive it; clients learn of the loss once
   * `areStatementsOver` resolves. One that rotated twice before that would meet its own first request as a replay.
   */
  kill(areStatementsOver: () => Promise<void>): Promise<void>;
};

export async function startWorker(options: WorkerOptions): Promise<WorkerProcess> {
  const child: ChildProcess = fork(SCRIPT, {
    execArgv: [],
    env: { ...childEnv(), ORACLE_WORKER: JSON.stringify(options) },
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  const waiting = new Map<number, (answer: WorkerAnswer | null) => void>();
  let lastId = 0;
  let isAlive = true;
  const exited = once(child, 'exit');
  child.on('error', () => {});
  await Promise.race([
    once(child, 'message'),
    exited.then(() => {
      throw new Error('the worker did not start');
    }),
  ]);
  child.on('message', (answer: WorkerAnswer) => {
    waiting.get(answer.id)?.(answer);
    waiting.delete(answer.id);
  });
  return {
    newestKv: options.newestKv,
    present: (request) => {
      lastId += 1;
      const id = lastId;
      return new Promise((resolve) => {
        waiting.set(id, resolve);
        // A failed write means that the worker is exiting: its exit answers.
        child.send({ id, ...request }, () => {});
      });
    },
    inFlight: () => waiting.size,
    isAlive: () => isAlive,
    kill: async (areStatementsOver) => {
      isAlive = false;
      child.kill('SIGKILL');
      await exited;
      await areStatementsOver();
      for (const resolve of waiting.values()) resolve(null);
      waiting.clear();
    },
  };
}
