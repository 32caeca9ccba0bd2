// One temporary folder for a run of tests, in which each file has its own (`file-folder`): both go at the end.
import { chmodSync, mkdtempSync, readFileSync, rmSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const MEMORY = '/dev/shm';
const MEMORY_BYTES_MIN = 8 * 2 ** 30;

/** Memory where there is plenty of it: a run creates and drops hundreds of databases, whose files a disk is slow to make. */
function parentFolder(): string {
  if (process.env.TMPDIR) return tmpdir();
  try {
    const mounts = readFileSync('/proc/self/mounts', 'utf8').split('\n');
    const options = mounts
      .map((line) => line.split(' '))
      .find(([, point]) => point === MEMORY)?.[3]
      ?.split(',');
    // Tests also run programs that they put there.
    if (options === undefined || options.includes('noexec')) return tmpdir();
    const { bavail, bsize } = statfsSync(MEMORY);
    return bavail * bsize >= MEMORY_BYTES_MIN ? MEMORY : tmpdir();
  } catch {
    return tmpdir();
  }
}

export function setup(): () => void {
  // The projects of one run share it. Its name is short: sockets lie below, and their paths have at most 107 bytes.
  if (process.env.SALLYPORT_TEST_FOLDER) return () => {};
  const folder = mkdtempSync(join(parentFolder(), 'sp-'));
  // As root, Postgres runs as another user, who must be able to pass through.
  chmodSync(folder, 0o755);
  process.env.SALLYPORT_TEST_FOLDER = folder;
  process.env.TMPDIR = folder;
  return () => rmSync(folder, { recursive: true, force: true });
}
