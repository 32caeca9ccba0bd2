import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { LogHead, LogHighWaterStore } from '#services/core/ports.ts';
import { ensureDataDir } from '../local/data-dir.ts';
import { writeDurably } from './durable-file.ts';
import {
  followedLogMark,
  type HeldLogMark,
  isSameLogMark,
  logMarkText,
  MarksUnreadableError,
  movedLogMark,
  parseLogMark,
} from './mark-texts.ts';
import { whileLocked } from './while-locked.ts';

const FILE_NAME = 'audit-mark.json';

async function readHeld(path: string): Promise<HeldLogMark | null> {
  const text = await readFile(path, 'utf8').catch((err: NodeJS.ErrnoException) => {
    if (err.code === 'ENOENT') return null;
    throw new MarksUnreadableError(path, err);
  });
  return text === null ? null : parseLogMark(path, text);
}

/**
 * The high-water mark of the audit log in `<data dir>/audit-mark.json`: outside the database and its backups, for one
 * host. Any number of its processes may swap it, in any number of containers that share the folder: a lock makes
 * compare and write atomic.
 * Throws `MarksUnreadableError` if the file exists and cannot be parsed.
 */
export function createFileLogMark(dataDir: string): LogHighWaterStore {
  const path = join(dataDir, FILE_NAME);
  const replace = (expected: LogHead | null, nextOf: (held: HeldLogMark | null) => HeldLogMark): Promise<boolean> => {
    ensureDataDir(dataDir);
    return whileLocked(join(dataDir, 'run/audit-mark.lock'), async () => {
      const held = await readHeld(path);
      if (!isSameLogMark(held?.mark ?? null, expected)) return false;
      await writeDurably(path, logMarkText(nextOf(held)));
      return true;
    });
  };
  return {
    read: async () => (await readHeld(path))?.mark ?? null,
    readEarlier: async () => (await readHeld(path))?.earlier ?? [],
    swap: (expected, next) => replace(expected, (held) => movedLogMark(held, next)),
    follow: (expected, next) => replace(expected, (held) => followedLogMark(held, next)),
  };
}
