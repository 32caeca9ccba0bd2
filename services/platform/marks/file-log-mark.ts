import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { LogMark, LogMarkStore } from '../../domain/ports.ts';
import { ensureDataDir } from '../local/data-dir.ts';
import { withFileLock } from '../local/file-lock.mjs';
import { writeDurably } from './durable-file.ts';
import { isSameLogMark, logMarkText, MarksUnreadableError, parseLogMark } from './mark-texts.ts';

const FILE_NAME = 'audit-mark.json';

async function readMark(path: string): Promise<LogMark | null> {
  const text = await readFile(path, 'utf8').catch((err: NodeJS.ErrnoException) => {
    if (err.code === 'ENOENT') return null;
    throw new MarksUnreadableError(path, err);
  });
  return text === null ? null : parseLogMark(path, text);
}

/**
 * The head of the audit log in `<data dir>/audit-mark.json`: outside the database and its backups, for one host. Any
 * number of its processes may swap it; a lock file orders compare and write.
 * Throws `MarksUnreadableError` where the file is there and cannot be understood.
 */
export function createFileLogMark(dataDir: string): LogMarkStore {
  const path = join(dataDir, FILE_NAME);
  return {
    read: () => readMark(path),
    swap: (expected, next) => {
      ensureDataDir(dataDir);
      return withFileLock(`${path}.lock`, async () => {
        if (!isSameLogMark(await readMark(path), expected)) return false;
        await writeDurably(path, logMarkText(next));
        return true;
      });
    },
  };
}
