import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { MarkStore, Marks } from '#services/core/ports.ts';
import { ensureDataDir } from '../local/data-dir.ts';
import { writeDurably } from './durable-file.ts';
import { isSameMarks, joinMarks, MarksUnreadableError, marksText, parseMarks } from './mark-texts.ts';
import { whileLocked } from './while-locked.ts';

const FILE_NAME = 'marks.json';

async function readMarks(path: string): Promise<Marks | null> {
  const text = await readFile(path, 'utf8').catch((err: NodeJS.ErrnoException) => {
    if (err.code === 'ENOENT') return null;
    throw new MarksUnreadableError(path, err);
  });
  return text === null ? null : parseMarks(path, text);
}

/**
 * High-water marks in `<data dir>/marks.json`: outside the database and its backups, for one host. Any number of its
 * processes may raise them, in any number of containers that share the folder: a lock makes compare and write atomic.
 */
export function createFileMarks(dataDir: string): MarkStore {
  ensureDataDir(dataDir);
  const path = join(dataDir, FILE_NAME);
  const lock = join(dataDir, 'run/marks.lock');
  return {
    read: () => readMarks(path),
    raise: (marks, replaced = []) =>
      whileLocked(lock, async () => {
        const held = await readMarks(path);
        const next = joinMarks(held, marks, replaced);
        if (!isSameMarks(held, next)) await writeDurably(path, marksText(next));
        return next;
      }),
  };
}
