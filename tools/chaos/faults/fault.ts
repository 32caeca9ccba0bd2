import { sendSignal } from '#services/platform/local/processes.ts';
import type { CopyName } from '../ledger.ts';
import type { Clients } from '../load/clients.ts';
import type { Receiver } from '../load/hand-offs.ts';
import type { Random } from '../random.ts';
import type { System } from '../system.ts';

/** Something that goes wrong, and is over when `run` resolves: what was stopped goes on, what was cut is linked again. */
export type Fault = {
  readonly name: string;
  /** What not every machine gives the suite. */
  readonly needs?: 'clock' | 'disk' | 'cluster';
  /** It stops the API of its copy, which answers nothing until it goes on. */
  readonly freezesApi?: boolean;
  /** More requests than these may not go without an answer because of it. */
  readonly hangs?: number;
  /** Resolves with what it was done to, where that is not all; rejects with `GuaranteeViolated` when the product did not recover as promised. */
  run(at: FaultSite): Promise<string>;
};

export type FaultSite = {
  readonly system: System;
  readonly clients: Clients;
  readonly receiver: Receiver;
  readonly random: Random;
  /** The copy that the schedule chose. */
  readonly copy: CopyName;
};

/** Stops processes where they are, does the work, and lets them go on. */
export async function whileStopped(pids: readonly number[], work: () => Promise<unknown>): Promise<void> {
  for (const pid of pids) sendSignal(pid, 'SIGSTOP');
  try {
    await work();
  } finally {
    for (const pid of pids) sendSignal(pid, 'SIGCONT');
  }
}

export const fault = (
  name: string,
  run: (at: FaultSite) => Promise<unknown>,
  options: Pick<Fault, 'needs' | 'freezesApi' | 'hangs'> = {},
): Fault => ({ name, ...options, run: async (at) => String((await run(at)) ?? '') });
