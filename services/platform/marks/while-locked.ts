import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';

const SQLITE_BUSY = 5;
const RETRY_MS = 10;

/** The lock, or undefined while another process or another call holds it. */
function tryLock(path: string): DatabaseSync | undefined {
  const database = new DatabaseSync(path, { timeout: 0 });
  try {
    database.exec('BEGIN IMMEDIATE');
    return database;
  } catch (err) {
    database.close();
    if ((err as { errcode?: number }).errcode !== SQLITE_BUSY) throw err;
    return undefined;
  }
}

/**
 * Runs `work` while this call alone holds the lock at `path`, among all threads, processes and containers of one
 * kernel. It is an operating-system lock on an SQLite database that stays empty: it ends with the process that
 * holds it, however that process ends. Never open the file in another way: closing it would end the lock.
 * @throws the error of SQLite if the file system has no record locks
 */
export async function whileLocked<T>(path: string, work: () => Promise<T>): Promise<T> {
  for (;;) {
    const lock = tryLock(path);
    if (lock) return await work().finally(() => lock.close());
    await sleep(RETRY_MS * Math.random());
  }
}
