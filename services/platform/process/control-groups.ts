import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Where the kernel says which groups a process is in, and where they are mounted (proc(5)). */
export type ControlGroupFiles = {
  readonly cgroupFile: string;
  readonly mountsFile: string;
  /** `1` where the root group shares by session first. */
  readonly autogroupFile: string;
};

export const ownControlGroup: ControlGroupFiles = {
  cgroupFile: '/proc/self/cgroup',
  mountsFile: '/proc/self/mountinfo',
  autogroupFile: '/proc/sys/kernel/sched_autogroup_enabled',
};

/** How the group of a product begins; the pid of its supervisor follows. */
export const PRODUCT_GROUP = 'sallyport-product-';
const isOurs = (path: string): boolean => path === '/' || path.startsWith(`/${PRODUCT_GROUP}`);

/** Groups of the `cpu` controller that this process may make: beside its own in the root group. */
export type CpuGroups = {
  /** The root group's folder. */
  readonly root: string;
  /** That of the group this process is in: the root group or that of its product. */
  readonly own: string;
};

/** Undefined where groups are not ours to make: another system, a container, a service, a user's session. */
export function cpuGroups({ cgroupFile, mountsFile }: ControlGroupFiles = ownControlGroup): CpuGroups | undefined {
  try {
    const groups = readFileSync(cgroupFile, 'utf8')
      .trim()
      .split('\n')
      .map((line) => line.split(':'));
    const first = groups.find(([, controllers = '']) => controllers.split(',').includes('cpu'));
    const group = first ?? groups.find(([id]) => id === '0');
    const path = group?.[2];
    if (path === undefined || !isOurs(path)) return undefined;
    // Fields of proc(5): … mount point at the fifth place, then after " - " type, source and options.
    for (const line of readFileSync(mountsFile, 'utf8').split('\n')) {
      const [before = '', after = ''] = line.split(' - ');
      const [type, , options = ''] = after.split(' ');
      const root = before.split(' ')[4];
      const isCpu = first ? type === 'cgroup' && options.split(',').includes('cpu') : type === 'cgroup2';
      if (!isCpu || root === undefined) continue;
      // What a container sees as the root may be a group within it: those have, or lack, these files.
      const isRoot = first ? existsSync(join(root, 'release_agent')) : !existsSync(join(root, 'cgroup.type'));
      return isRoot ? { root, own: path === '/' ? root : join(root, path) } : undefined;
    }
  } catch {
    // No such files: not Linux.
  }
  return undefined;
}

/** Removes the groups of one kind whose makers were killed before they could. */
export function removeLeftOver({ root }: CpuGroups, prefix: string): void {
  for (const name of readdirSync(root)) {
    const pid = name.startsWith(prefix) ? name.slice(prefix.length) : '';
    if (/^\d+$/.test(pid) && !isAlive(Number(pid))) removeGroup(join(root, name));
  }
}

/** Makes a group named after this process. */
export function makeGroup({ root }: CpuGroups, prefix: string): string {
  const path = join(root, `${prefix}${process.pid}`);
  mkdirSync(path, { recursive: true });
  return path;
}

/** Moves a process into a group. @throws when it has ended, or the kernel refuses */
export function enterGroup(path: string, pid: number): void {
  writeFileSync(join(path, 'cgroup.procs'), String(pid), { flag: 'r+' });
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (err) {
    return (err as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** The kernel removes an empty group only. */
export function removeGroup(path: string): void {
  try {
    rmdirSync(path);
  } catch {
    // Absent, or a member still ends.
  }
}
