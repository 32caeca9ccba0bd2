import { readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isSameProcessAlive } from '../platform/local/file-lock.mjs';
import { type RecordedProcess, recordProcess, sendSignal, waitForExit } from '../platform/local/processes.ts';

/** What one supervisor runs, stored in `<data dir>/run` for `sallyport status` and for the next start. */
export type RunRecord = {
  supervisor: RecordedProcess;
  startedAt: string;
  api: string;
  metrics: string;
  /** Of the tasks API, if it was asked for. */
  tasks?: string;
  /** Temporary folder of the metrics sockets. */
  socketFolder: string;
  /** False until every child was ready once. */
  ready: boolean;
  children: { name: string; process: RecordedProcess; ready: boolean }[];
};

const PREFIX = 'supervisor-';

const pathOf = (dataDir: string, pid: number): string => join(dataDir, 'run', `${PREFIX}${pid}.json`);

/** Writes the record of this process atomically, by rename. */
export function writeRunRecord(dataDir: string, record: Omit<RunRecord, 'supervisor'>): void {
  const path = pathOf(dataDir, process.pid);
  const whole: RunRecord = { supervisor: recordProcess(process.pid), ...record };
  writeFileSync(`${path}.new`, JSON.stringify(whole), { mode: 0o600 });
  renameSync(`${path}.new`, path);
}

export function removeRunRecord(dataDir: string): void {
  rmSync(pathOf(dataDir, process.pid), { force: true });
}

/** Every record of the data directory, with whether its supervisor is alive. */
export function readRunRecords(dataDir: string): (RunRecord & { alive: boolean })[] {
  let files: string[];
  try {
    files = readdirSync(join(dataDir, 'run'));
  } catch {
    return [];
  }
  return files
    .filter((file) => file.startsWith(PREFIX) && file.endsWith('.json'))
    .flatMap((file) => {
      try {
        const record = JSON.parse(readFileSync(join(dataDir, 'run', file), 'utf8')) as RunRecord;
        return [{ ...record, alive: isSameProcessAlive(record.supervisor) }];
      } catch {
        return [];
      }
    });
}

/** Waits for the children of a killed supervisor to drain, kills those that hang, and deletes its record. */
export async function clearDeadSupervisors(
  dataDir: string,
  drainSeconds: number,
  say: (text: string) => void,
): Promise<void> {
  const dead = readRunRecords(dataDir).filter((record) => !record.alive);
  const orphans = dead.flatMap((record) => record.children).filter((child) => isSameProcessAlive(child.process));
  await Promise.all(
    orphans.map(async ({ name, process }) => {
      say(`waiting for ${name} (pid ${process.pid}) of a killed supervisor to drain …`);
      sendSignal(process.pid, 'SIGTERM');
      if (!(await waitForExit(process, drainSeconds * 1_000))) sendSignal(-process.pid, 'SIGKILL');
    }),
  );
  for (const record of dead) {
    rmSync(record.socketFolder, { recursive: true, force: true });
    rmSync(pathOf(dataDir, record.supervisor.pid), { force: true });
  }
}
