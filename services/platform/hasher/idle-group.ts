import { mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** A control group of the kernel whose members run only where nobody else wants to. */
export interface IdleGroup {
  /** Takes a process in. @throws when it died, or the kernel refuses */
  add(pid: number): void;
  /** Lets it go back among the others. @throws likewise */
  release(pid: number): void;
  /** Removes the group when no member is left; adding makes it again. */
  close(): void;
}

export interface IdleGroupPlace {
  readonly cgroupFile: string;
  readonly mountsFile: string;
}

const here: IdleGroupPlace = { cgroupFile: '/proc/self/cgroup', mountsFile: '/proc/self/mountinfo' };
const prefix = 'sallyport-hashers-';

/**
 * A group with `cpu.idle`, where this process may make one: it stands in the root group of the `cpu` controller.
 * There and nowhere else Linux shares the processor by session first (sched_autogroup), so that the idle policy of a
 * process holds within its own session only, and whoever else wakes would wait for its slice to end.
 * @returns undefined where groups are not ours to make: another system, a container, an ordinary user
 */
export function makeIdleGroup(place: IdleGroupPlace = here): IdleGroup | undefined {
  const mount = rootGroupMount(place);
  if (mount === undefined) return undefined;
  removeLeftOver(mount);
  const path = join(mount, `${prefix}${process.pid}`);
  const make = (): void => {
    mkdirSync(path, { recursive: true });
    writeFileSync(join(path, 'cpu.idle'), '1', { flag: 'r+' });
  };
  try {
    make();
  } catch {
    remove(path);
    return undefined;
  }
  return {
    add(pid) {
      make();
      writeFileSync(join(path, 'cgroup.procs'), String(pid), { flag: 'r+' });
    },
    release: (pid) => writeFileSync(join(mount, 'cgroup.procs'), String(pid), { flag: 'r+' }),
    close: () => remove(path),
  };
}

/** Where the hierarchy with the `cpu` controller is mounted, when this process is in its root group. */
function rootGroupMount({ cgroupFile, mountsFile }: IdleGroupPlace): string | undefined {
  try {
    const groups = readFileSync(cgroupFile, 'utf8')
      .trim()
      .split('\n')
      .map((line) => line.split(':'));
    const first = groups.find(([, controllers = '']) => controllers.split(',').includes('cpu'));
    const group = first ?? groups.find(([id]) => id === '0');
    if (group?.[2] !== '/') return undefined;
    // Fields of proc(5): … mount point at the fifth place, then after " - " type, source and options.
    for (const line of readFileSync(mountsFile, 'utf8').split('\n')) {
      const [before = '', after = ''] = line.split(' - ');
      const [type, , options = ''] = after.split(' ');
      if (first ? type === 'cgroup' && options.split(',').includes('cpu') : type === 'cgroup2')
        return before.split(' ')[4];
    }
  } catch {
    // No such files: not Linux.
  }
  return undefined;
}

/** Groups of processes that were killed before they could remove them. */
function removeLeftOver(mount: string): void {
  for (const name of readdirSync(mount))
    if (name.startsWith(prefix) && !isAlive(Number(name.slice(prefix.length)))) remove(join(mount, name));
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
function remove(path: string): void {
  try {
    rmdirSync(path);
  } catch {
    // Absent, or a member still ends.
  }
}
