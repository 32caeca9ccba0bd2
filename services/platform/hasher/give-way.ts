import { spawn } from 'node:child_process';
import { type ControlGroupFiles, ownControlGroup } from '../process/control-groups.ts';
import { makeIdleGroup } from './idle-group.ts';

/**
 * How hashing gives way. A niced process keeps its slice of some milliseconds when the API wakes; one in an idle
 * control group, or under the idle policy (sched(7)) where there is no such group, gives way at once. Where both are
 * missing its priority has to do.
 */
export interface GiveWay {
  /** From now on it runs only where nobody else wants to. */
  start(pid: number): void;
  /** The share of its priority again, for a job that has waited long enough: a full machine must not end all logins. */
  stop(pid: number): void;
  /** Of one process that ended: removes what no other uses. */
  close(): void;
}

const setPolicy = (policy: '--idle' | '--other') => (pid: number) => {
  spawn('chrt', [policy, '--pid', '0', String(pid)], { stdio: 'ignore' })
    .on('error', () => {})
    .unref();
};

const byPolicy: GiveWay = { start: setPolicy('--idle'), stop: setPolicy('--other'), close: () => {} };

/** The better of the two ways that this machine has. */
export function giveWay(files: ControlGroupFiles = ownControlGroup): GiveWay {
  const group = makeIdleGroup(files);
  if (group === undefined) return byPolicy;
  const whileAlive = (act: (pid: number) => void) => (pid: number) => {
    try {
      act(pid);
    } catch {
      // It died already; its end is reported by 'exit'.
    }
  };
  return { start: whileAlive(group.add), stop: whileAlive(group.release), close: group.close };
}
