import { spawnSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';

const SIZE_MB = 48;
const FILLER = 'filler';
const PART = Buffer.alloc(64 * 1_024);

/** A small file system of its own under a folder, which a fault fills. */
export type SmallDisk = {
  /** Writes until no room is left; again, it takes what was freed since. */
  fill(): void;
  /** Removes what filled it. */
  empty(): void;
  unmount(): void;
};

function run(program: string, args: readonly string[]): void {
  const { status, stderr, error } = spawnSync(program, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(error?.message ?? stderr.trim());
}

/**
 * Mounts a tmpfs at the folder. It is unmounted when this process exits, if not before.
 * @throws where mounting is not allowed
 */
export function mountSmallDisk(folder: string): SmallDisk {
  mkdirSync(folder, { recursive: true });
  run('mount', ['-t', 'tmpfs', '-o', `size=${SIZE_MB}m,mode=711`, 'tmpfs', folder]);
  // Lazily: a process that hangs on must not keep the mount.
  const unmount = (): void => void spawnSync('umount', ['--lazy', folder]);
  process.once('exit', unmount);
  const filler = join(folder, FILLER);
  return {
    fill: () => {
      const file = openSync(filler, 'a');
      try {
        // The last write is a short one: it takes the last pages before the next finds none.
        for (;;) writeSync(file, PART);
      } catch (err) {
        if ((err as NodeJS.ErrnoException).code !== 'ENOSPC') throw err;
      } finally {
        closeSync(file);
      }
    },
    empty: () => rmSync(filler, { force: true }),
    unmount: () => {
      process.off('exit', unmount);
      run('umount', ['--lazy', folder]);
    },
  };
}
