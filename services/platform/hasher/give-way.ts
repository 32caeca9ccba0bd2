import { spawn } from 'node:child_process';

/** The idle policy of hashing (sched(7)). Where `chrt` is missing its priority has to do. */
export interface GiveWay {
  /** From now on it runs only where nobody else wants to. */
  start(pid: number): void;
  /** The share of its priority again, for a job that has waited long enough: a full machine must not end all logins. */
  stop(pid: number): void;
}

const setPolicy = (policy: '--idle' | '--other') => (pid: number) => {
  spawn('chrt', [policy, '--pid', '0', String(pid)], { stdio: 'ignore' })
    .on('error', () => {})
    .unref();
};

export const giveWay: GiveWay = { start: setPolicy('--idle'), stop: setPolicy('--other') };
