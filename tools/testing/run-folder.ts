// The folder of a run of tests, with its owner's name: what a killed run left, the next start ends and removes.
import {
  chmodSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statfsSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isSameProcessAlive } from '#services/platform/local/file-lock.mjs';
import { programOf, type RecordedProcess, recordProcess, sendSignal } from '#services/platform/local/processes.ts';

const MEMORY = '/dev/shm';
const MEMORY_BYTES_MIN = 8 * 2 ** 30;
const PREFIX = 'sp-';
const OWNER_FILE = 'owner.json';
/** PostgreSQL frees its shared memory at SIGQUIT; what has not ended by then is killed. */
const QUIT_MS = 5_000;
const GIVE_UP_MS = 10_000;

type Owner = RecordedProcess & { readonly pidNamespace: string };

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

/** Undefined for what has ended, for other users' processes, and on other systems than Linux. */
function read(ask: () => string): string | undefined {
  try {
    return ask();
  } catch {
    return undefined;
  }
}

/** A pid means nothing in another container that shares the folder. */
const pidNamespace = (): string => read(() => readlinkSync('/proc/self/ns/pid')) ?? '';

/** Creates the folder of this run. Its name is short: sockets lie below, and their paths have at most 107 bytes. */
export function openRunFolder(): string {
  const folder = mkdtempSync(join(parentFolder(), PREFIX));
  // As root, Postgres runs as another user, who must be able to pass through.
  chmodSync(folder, 0o755);
  const owner: Owner = { ...recordProcess(process.pid), pidNamespace: pidNamespace() };
  writeFileSync(join(folder, OWNER_FILE), JSON.stringify(owner));
  return folder;
}

/** Processes that work in the folder, or were started with temporary files in it. */
function processesOf(folder: string): RecordedProcess[] {
  if (process.platform !== 'linux') return [];
  const isInside = (path: string | undefined): boolean => path === folder || path?.startsWith(`${folder}/`) === true;
  const temporaryOf = (pid: number): string | undefined =>
    read(() => readFileSync(`/proc/${pid}/environ`, 'utf8'))
      ?.split('\0')
      .find((line) => line.startsWith('TMPDIR='))
      ?.slice('TMPDIR='.length);
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => pid > 0 && pid !== process.pid)
    .filter((pid) => isInside(read(() => readlinkSync(`/proc/${pid}/cwd`))) || isInside(temporaryOf(pid)))
    .map(recordProcess)
    .filter(isSameProcessAlive);
}

const pause = (ms: number): void => void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);

/** Ends every process of a run, and removes its folder. Synchronous, so that a process can do it while it exits. */
export function endRun(folder: string): void {
  const startedMs = performance.now();
  for (let left = processesOf(folder); left.length > 0; left = processesOf(folder)) {
    const passedMs = performance.now() - startedMs;
    if (passedMs > GIVE_UP_MS) return;
    for (const { pid } of left) {
      const isPostgres = /(^|\/)postgres(?=[: ]|$)/.test(programOf(pid));
      sendSignal(pid, 'SIGCONT');
      sendSignal(pid, isPostgres && passedMs < QUIT_MS ? 'SIGQUIT' : 'SIGKILL');
    }
    pause(50);
  }
  rmSync(folder, { recursive: true, force: true });
}

/** Whether the folder is this user's and names an owner that has ended. Without a name it is left alone. */
function isDead(folder: string): boolean {
  const found = lstatSync(folder);
  if (!found.isDirectory() || found.uid !== process.getuid?.()) return false;
  const owner = JSON.parse(readFileSync(join(folder, OWNER_FILE), 'utf8')) as Owner;
  const here = pidNamespace();
  return here !== '' && owner.pidNamespace === here && owner.start !== undefined && !isSameProcessAlive(owner);
}

/** Ends what killed runs left in the folder where this run will have its own. */
export function endDeadRuns(parent: string = parentFolder()): void {
  // Elsewhere the processes of a folder cannot be told.
  if (process.platform !== 'linux') return;
  for (const name of readdirSync(parent).filter((each) => each.startsWith(PREFIX))) {
    const folder = join(parent, name);
    try {
      if (!isDead(folder)) continue;
      process.stderr.write(`ending what a killed run of tests left in ${folder}\n`);
      endRun(folder);
    } catch {
      // Not a folder of a run, or another run removes it now.
    }
  }
}
