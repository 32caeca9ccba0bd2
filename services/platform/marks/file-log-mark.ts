import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { LogMark, LogMarkStore } from '../../domain/ports.ts';
import { ensureDataDir } from '../local/data-dir.ts';
import { withFileLock } from '../local/file-lock.mjs';
import { writeDurably } from './durable-file.ts';
import { MarksUnreadableError } from './file-marks.ts';

const FILE_NAME = 'audit-mark.json';

const shape = z.strictObject({ origin: z.string().max(512), size: z.int().min(0), root: z.base64().length(44) });

async function readMark(path: string): Promise<LogMark | null> {
  try {
    return shape.parse(JSON.parse(await readFile(path, 'utf8')));
  } catch (err) {
    if ((err as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw new MarksUnreadableError(path, err);
  }
}

const isSame = (one: LogMark | null, other: LogMark | null): boolean =>
  one?.origin === other?.origin && one?.size === other?.size && one?.root === other?.root;

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
        if (!isSame(await readMark(path), expected)) return false;
        await writeDurably(path, `${JSON.stringify(next)}\n`);
        return true;
      });
    },
  };
}
