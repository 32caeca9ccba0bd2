import { readdirSync, readlinkSync, realpathSync } from 'node:fs';
import { commandOf, programOf, type RecordedProcess, recordProcess, stopProcess } from './processes.ts';

/** Traits by which the processes of an earlier server are recognised. */
export type ServerTraits = {
  folder: string;
  /** Tells its command lines from those of an operator's program, which may work in the folder and name files in it. */
  program: RegExp;
};

/** State of the process that a lock or state file names. */
type Predecessor = 'gone' | 'leaving' | 'another_program' | 'running';

/** Working directory of a process; undefined if it cannot be read (another user's process, or not on Linux). */
function workingFolder(pid: number): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/cwd`);
  } catch {
    return undefined;
  }
}

const realFolder = (folder: string): string | undefined => {
  try {
    return realpathSync(folder);
  } catch {
    return undefined;
  }
};

/** The pid may belong to another program by now: only a server whose working directory is our folder counts. */
export function judgePredecessor(pid: number, { folder, program }: ServerTraits): Predecessor {
  if (recordProcess(pid).start === undefined) return 'gone';
  const running = programOf(pid);
  // An ending process loses its memory, and so its command line, before its pid is released.
  if (running === '') return 'leaving';
  if (!program.test(running)) return 'another_program';
  const works = workingFolder(pid);
  const isOurs = works === undefined ? commandOf(pid).includes(folder) : works === realFolder(folder);
  return isOurs ? 'running' : 'another_program';
}

/** Visible processes of a server that work in this folder; on other systems than Linux, none. */
export function processesIn(traits: ServerTraits): RecordedProcess[] {
  if (process.platform !== 'linux') return [];
  const folder = realFolder(traits.folder);
  return readdirSync('/proc')
    .map(Number)
    .filter(
      (pid) => pid > 0 && folder !== undefined && workingFolder(pid) === folder && traits.program.test(programOf(pid)),
    )
    .map(recordProcess);
}

/** Ends the processes that a dead server left running in its folder, first with the signal of a server crash, then with SIGKILL. */
export async function endOrphans(traits: ServerTraits): Promise<void> {
  await Promise.all(processesIn(traits).map((orphan) => stopProcess(orphan, [['SIGQUIT', 1_000]])));
}
