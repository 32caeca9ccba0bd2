import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ensureDataDir, randomSecret } from './data-dir.ts';
import { isSameProcessAlive, withFileLock } from './file-lock.mjs';
import { type RecordedProcess, recordProcess } from './processes.ts';

/** A local server that several supervisors of one data directory may share. */
export type LocalService = {
  /** Connection URL with its password: never log it. Changes only if `revive` returns `moved`. */
  readonly url: string;
  /** False if a running server was adopted. */
  readonly startedByUs: boolean;
  /** Starts the server again if it has died; `moved` if it had to take another port, so that `url` has changed. */
  revive(): Promise<'alive' | 'revived' | 'moved'>;
  /** Releases the server; it stops when its last user releases it. Safe to call twice. */
  stop(): Promise<void>;
};

export type RunningServer = { url: string; startedByUs: boolean; process: RecordedProcess };

type SharedServer = {
  dataDir: string;
  name: 'postgres' | 'redis';
  /** Adopts a running server or starts one; called under this service's lock. */
  start: () => Promise<RunningServer>;
  /** Stops the server; called under the lock, by the last user only. */
  end: (server: RunningServer) => Promise<void>;
  say: (text: string) => void;
};

/** User records of running processes; removes the records of killed processes. */
function liveUsers(folder: string, prefix: string): string[] {
  return readdirSync(folder).filter((file) => {
    if (!file.startsWith(prefix)) return false;
    const path = join(folder, file);
    try {
      if (isSameProcessAlive(JSON.parse(readFileSync(path, 'utf8')) as RecordedProcess)) return true;
    } catch {
      // Unreadable: its process died while writing it.
    }
    rmSync(path, { force: true });
    return false;
  });
}

/** Starts or joins the server `name` of a data directory, and counts its users across processes. */
export async function shareServer(server: SharedServer): Promise<LocalService> {
  ensureDataDir(server.dataDir);
  const folder = join(server.dataDir, 'run');
  const lock = join(folder, `${server.name}.lock`);
  const prefix = `${server.name}.user-`;
  const own = join(folder, `${prefix}${process.pid}-${randomSecret(6)}`);
  const onWait = (pid: number): void =>
    server.say(`waiting until another start (pid ${pid}) has started ${server.name} …`);

  let running = await withFileLock(
    lock,
    async () => {
      const started = await server.start();
      writeFileSync(own, JSON.stringify(recordProcess(process.pid)), { mode: 0o600 });
      return started;
    },
    onWait,
  );

  let stopping: Promise<void> | undefined;
  const release = (): Promise<void> =>
    withFileLock(lock, async () => {
      rmSync(own, { force: true });
      if (liveUsers(folder, prefix).length === 0) await server.end(running);
    });
  const revive = (): Promise<'alive' | 'revived' | 'moved'> =>
    withFileLock(lock, async () => {
      if (stopping || isSameProcessAlive(running.process)) return 'alive';
      const before = running.url;
      running = await server.start();
      return running.url === before ? 'revived' : 'moved';
    });
  return {
    get url() {
      return running.url;
    },
    get startedByUs() {
      return running.startedByUs;
    },
    revive: async () => (isSameProcessAlive(running.process) ? 'alive' : revive()),
    stop: () => {
      stopping ??= release();
      return stopping;
    },
  };
}
