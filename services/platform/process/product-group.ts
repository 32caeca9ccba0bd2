import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  type ControlGroupFiles,
  cpuGroups,
  enterGroup,
  makeGroup,
  ownControlGroup,
  PRODUCT_GROUP,
  removeGroup,
  removeLeftOver,
} from './control-groups.ts';

/** What each hierarchy calls a group's share, and four times its default: a product is four sessions and more. */
const SHARES = { 'cpu.weight': '400', 'cpu.shares': '4096' } as const;

function takeShare(group: string): void {
  const offered = Object.entries(SHARES).filter(([file]) => existsSync(join(group, file)));
  if (offered.length === 0) throw new Error('the group has no share of its own');
  for (const [file, share] of offered) writeFileSync(join(group, file), share, { flag: 'r+' });
}

/**
 * Puts this process, and all that it starts from now on, into one control group of its own, where it may make one and
 * gains by it: in the root group, where Linux shares the processor by session first (sched_autogroup). Every process
 * started in the background is a session, and every connection of Postgres: between two of them no priority counts.
 * @returns leaves the group again, and removes it when nobody else is in it
 */
export function joinProductGroup(files: ControlGroupFiles = ownControlGroup): () => void {
  const groups = cpuGroups(files);
  // In a product's group already: nested, it would share that group's part alone.
  if (groups === undefined || groups.own !== groups.root || !sharesBySession(files)) return () => {};
  let path: string | undefined;
  const leave = (): void => {
    try {
      enterGroup(groups.root, process.pid);
    } catch {
      // It stays, and is removed by the next start.
    }
    if (path !== undefined) removeGroup(path);
  };
  try {
    removeLeftOver(groups, PRODUCT_GROUP);
    path = makeGroup(groups, PRODUCT_GROUP);
    takeShare(path);
    enterGroup(path, process.pid);
  } catch {
    leave();
  }
  return leave;
}

/** Takes a server that another start left running into this product's group: apart, they would share as strangers. */
export function takeIntoProductGroup(pid: number, files: ControlGroupFiles = ownControlGroup): void {
  const groups = cpuGroups(files);
  if (groups === undefined || groups.own === groups.root) return;
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
