import { readdirSync, readlinkSync, realpathSync } from 'node:fs';
import { commandOf, programOf, type RecordedProcess, recordProcess, stopProcess } from './processes.ts';

/** How a server left behind is recognised. */
export type ServerTraits = {
  /** The folder that the server makes its working directory. */
  folder: string;
  /** What it runs: a program of an operator may work in the folder too, and have the name of a file there. */
  program: RegExp;
};

/** What has become of the process that a lock or state file names. */
export type Predecessor = 'gone' | 'leaving' | 'another_program' | 'running';

/** The working directory of a process; undefined where it cannot be read (another user's, or no Linux). */
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

/** A pid may be another program's by now: only a server that works in our folder is the one that we look for. */
export function judgePredecessor(pid: number, { folder, program }: ServerTraits): Predecessor {
  if (recordProcess(pid).start === undefined) return 'gone';
  const running = programOf(pid);
  // A process that ends has no memory, hence no command line, before it has no pid.
  if (running === '') return 'leaving';
  if (!program.test(running)) return 'another_program';
  const works = workingFolder(pid);
  const isOurs = works === undefined ? commandOf(pid).includes(folder) : works === realFolder(folder);
  return isOurs ? 'running' : 'another_program';
}

/** Processes of a server that work in this folder, as far as they can be seen; none on another system than Linux. */
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

/** Ends what a dead server left running in its folder: as the server's own crash would have, then outright. */
export async function endOrphans(traits: ServerTraits): Promise<void> {
  await Promise.all(processesIn(traits).map((orphan) => stopProcess(orphan, [['SIGQUIT', 1_000]])));
}
