import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  type ControlGroupFiles,
  cpuGroups,
  makeGroup,
  ownControlGroup,
  PRODUCT_GROUP,
  removeGroup,
} from './control-groups.ts';

/** What each hierarchy calls a group's share, and four times its default: a product is four sessions and more. */
const SHARES = { 'cpu.weight': '400', 'cpu.shares': '4096' } as const;

/**
 * Puts this process, and all that it starts from now on, into one control group of its own, where it may make one.
 * In the root group Linux shares the processor by session first (sched_autogroup), and every process started in the
 * background and every connection of Postgres is a session: there a priority counts for nothing between two of them.
 * @returns leaves the group again, and removes it when nobody else is in it
 */
export function joinProductGroup(files: ControlGroupFiles = ownControlGroup): () => void {
  const groups = cpuGroups(files);
  // In a product's group already: nested, it would share that group's part alone.
  if (groups === undefined || groups.own !== groups.root) return () => {};
  const enter = (group: string): void =>
    writeFileSync(join(group, 'cgroup.procs'), String(process.pid), { flag: 'r+' });
  let path: string | undefined;
  const leave = (): void => {
    try {
      enter(groups.root);
    } catch {
      // It stays, and is removed by the next start.
    }
    if (path !== undefined) removeGroup(path);
  };
  try {
    path = makeGroup(groups, PRODUCT_GROUP);
    for (const [file, share] of Object.entries(SHARES))
      if (existsSync(join(path, file))) writeFileSync(join(path, file), share, { flag: 'r+' });
    enter(path);
  } catch {
    leave();
  }
  return leave;
}
