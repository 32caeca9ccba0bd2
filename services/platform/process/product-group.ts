import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  type ControlGroupFiles,
  cpuGroups,
  enterGroup,
  isInRootGroup,
  makeGroup,
  ownControlGroup,
  PRODUCT_GROUP,
  removeGroup,
  removeLeftOver,
  SERVING_GROUP,
} from './control-groups.ts';

/** What each hierarchy calls a group's share, and four times its default: a product is four sessions and more. */
const SHARES_OF_FOUR = { 'cpu.weight': '400', 'cpu.shares': '4096' } as const;
/** The most there is: beside what serves stands hashing alone, and it is idle. */
const MOST_SHARES = { 'cpu.weight': '10000', 'cpu.shares': '262144' } as const;

function takeShare(group: string, shares: Readonly<Record<string, string>>): void {
  const offered = Object.entries(shares).filter(([file]) => existsSync(join(group, file)));
  if (offered.length === 0) throw new Error('the group has no share of its own');
  for (const [file, share] of offered) writeFileSync(join(group, file), share, { flag: 'r+' });
}

/** In the unified hierarchy a group's controllers are for its groups only when it says so. */
function passControllerOn(group: string): void {
  const file = join(group, 'cgroup.subtree_control');
  if (existsSync(file)) writeFileSync(file, '+cpu', { flag: 'r+' });
}

/**
 * Puts this process, and all that it starts from now on, into one control group of its own, where it may make one and
 * gains by it: in the root group, where Linux shares the processor by session first (sched_autogroup). Every process
 * started in the background is a session, and every connection of Postgres: between two of them no priority counts.
 * Within it everything serves in one group, so that another can stand beside that which gives way to it alone.
 * @returns leaves the group again, and removes it when nobody else is in it
 */
export function joinProductGroup(files: ControlGroupFiles = ownControlGroup): () => void {
  const groups = cpuGroups(files);
  // In a product's group already: nested, it would share that group's part alone.
  if (groups === undefined || !isInRootGroup(groups) || !sharesBySession(files)) return () => {};
  let path: string | undefined;
  const leave = (): void => {
    try {
      enterGroup(groups.own, process.pid);
    } catch {
      // It stays, and is removed by the next start.
    }
    if (path !== undefined) removeGroup(path);
  };
  try {
    removeLeftOver(groups, PRODUCT_GROUP);
    path = makeGroup(groups, PRODUCT_GROUP);
    takeShare(path, SHARES_OF_FOUR);
    passControllerOn(path);
    const serving = join(path, SERVING_GROUP);
    mkdirSync(serving, { recursive: true });
    takeShare(serving, MOST_SHARES);
    enterGroup(serving, process.pid);
  } catch {
    leave();
  }
  return leave;
}

/** Takes a server that another start left running into this product's group: apart, they would share as strangers. */
export function takeIntoProductGroup(pid: number, files: ControlGroupFiles = ownControlGroup): void {
  const groups = cpuGroups(files);
  if (groups === undefined || isInRootGroup(groups)) return;
  try {
    enterGroup(groups.own, pid);
  } catch {
    // It has ended, or is not ours to move.
  }
}

function sharesBySession({ autogroupFile }: ControlGroupFiles): boolean {
  try {
    return readFileSync(autogroupFile, 'utf8').trim() === '1';
  } catch {
    return false;
  }
}
