// For tests only: files such as the kernel shows its control groups by, in a folder where anything may be made.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ControlGroupFiles } from '../../process/control-groups.ts';

export type PlantedGroups = {
  /** Where the `cpu` controller is mounted. */
  readonly root: string;
  /** What a process reads of itself, given its `/proc/self/cgroup`. */
  files(cgroup: string): ControlGroupFiles;
  /** Makes a group, or the root group, with these files, as the kernel would. */
  group(name: string, files: readonly string[]): string;
  remove(): void;
};

export function plantGroups(): PlantedGroups {
  const root = mkdtempSync(join(tmpdir(), 'sallyport-groups-'));
  const mounts = `22 1 0:20 / /proc rw - proc proc rw
31 24 0:27 / /elsewhere rw,relatime - cgroup cgroup rw,cpuset
32 24 0:28 / ${root} rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct
33 24 0:29 / ${root}/unified rw - cgroup2 cgroup2 rw`;
  return {
    root,
    files(cgroup) {
      const files = {
        cgroupFile: join(root, 'cgroup'),
        mountsFile: join(root, 'mountinfo'),
        autogroupFile: join(root, 'autogroup'),
      };
      // The mark of a root group where the controllers are mounted one by one.
      writeFileSync(join(root, 'release_agent'), '');
      writeFileSync(files.autogroupFile, '1\n');
      writeFileSync(files.cgroupFile, cgroup);
      writeFileSync(files.mountsFile, mounts);
      return files;
    },
    group(name, files) {
      const path = join(root, name);
      mkdirSync(path, { recursive: true });
      for (const file of files) writeFileSync(join(path, file), '');
      return path;
    },
    remove: () => rmSync(root, { recursive: true, force: true }),
  };
}
