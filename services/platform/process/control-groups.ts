import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

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
/** Where in its product's group everything is that need not give way. */
export const SERVING_GROUP = 'serving';
const inProduct = new RegExp(`^/${PRODUCT_GROUP}\\d+/${SERVING_GROUP}$`);

/** Groups of the `cpu` controller that this process may make: in the root group, or in its product's. */
export type CpuGroups = {
  /** The folder that takes new groups. */
  readonly parent: string;
  /** That of the group this process is in: the root group itself, or what serves in its product's. */
  readonly own: string;
};

export const isInRootGroup = ({ parent, own }: CpuGroups): boolean => parent === own;

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
    if (path === undefined || !(path === '/' || inProduct.test(path))) return undefined;
    // Fields of proc(5): … mount point at the fifth place, then after " - " type, source and options.
    for (const line of readFileSync(mountsFile, 'utf8').split('\n')) {
      const [before = '', after = ''] = line.split(' - ');
      const [type, , options = ''] = after.split(' ');
      const root = before.split(' ')[4];
      const isCpu = first ? type === 'cgroup' && options.split(',').includes('cpu') : type === 'cgroup2';
      if (!isCpu || root === undefined) continue;
      // What a container sees as the root may be a group within it: those have, or lack, these files.
      const isRoot = first ? existsSync(join(root, 'release_agent')) : !existsSync(join(root, 'cgroup.type'));
      if (!isRoot) return undefined;
      return path === '/' ? { parent: root, own: root } : { parent: join(root, dirname(path)), own: join(root, path) };
    }
  } catch {
    // No such files: not Linux.
  }
  return undefined;
}

/** Removes the groups of one kind whose makers were killed before they could. */
export function removeLeftOver({ parent }: CpuGroups, prefix: string): void {
  for (const name of readdirSync(parent)) {
    const pid = name.startsWith(prefix) ? name.slice(prefix.length) : '';
    if (/^\d+$/.test(pid) && !isAlive(Number(pid))) removeGroup(join(parent, name));
  }
}

/** Makes a group named after this process. */
export function makeGroup({ parent }: CpuGroups, prefix: string): string {
  const path = join(parent, `${prefix}${process.pid}`);
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

/** With the groups in it: the kernel removes empty ones only. */
export function removeGroup(path: string): void {
  try {
    for (const entry of readdirSync(path, { withFileTypes: true }))
      if (entry.isDirectory()) removeGroup(join(path, entry.name));
    rmdirSync(path);
  } catch {
    // Absent, or a member still ends.
  }
}
