import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  type ControlGroupFiles,
  cpuGroups,
  enterGroup,
  makeGroup,
  ownControlGroup,
  removeGroup,
  removeLeftOver,
} from '../process/control-groups.ts';

const PREFIX = 'sallyport-hashers-';

/** A control group of the kernel whose members run only where nobody else wants to. */
export interface IdleGroup {
  /** Takes a process in. @throws when it died, or the kernel refuses */
  add(pid: number): void;
  /** Lets it go back to this process's own group. @throws likewise */
  release(pid: number): void;
  /** Removes the group when no member is left; adding makes it again. */
  close(): void;
}

/**
 * A group with `cpu.idle`, where this process may make one: in its product's group, beside what serves, or in the root
 * group. There Linux shares the processor by session first (sched_autogroup), so that the idle policy of a process
 * holds within its own session only, and whoever else wakes would wait for its slice to end. HAZARD: beside others in
 * the root group it does not always give way: what serves must have been served less than its part to go first
 * (EEVDF), and its claim is settled with whoever is ready when it sleeps, a kernel thread as well. With nobody but
 * these two in a group the claim lasts.
 * @returns undefined where groups are not ours to make
 */
export function makeIdleGroup(files: ControlGroupFiles = ownControlGroup): IdleGroup | undefined {
  const groups = cpuGroups(files);
  if (groups === undefined) return undefined;
  removeLeftOver(groups, PREFIX);
  const make = (): string => {
    const path = makeGroup(groups, PREFIX);
    try {
      writeFileSync(join(path, 'cpu.idle'), '1', { flag: 'r+' });
    } catch (err) {
      removeGroup(path);
      throw err;
    }
    return path;
  };
  let path: string;
  try {
    path = make();
  } catch {
    return undefined;
  }
  return {
    add: (pid) => enterGroup(make(), pid),
    release: (pid) => enterGroup(groups.own, pid),
    close: () => removeGroup(path),
  };
}
