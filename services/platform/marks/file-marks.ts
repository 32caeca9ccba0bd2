import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { MarkStore, Marks } from '../../domain/ports.ts';
import { ensureDataDir } from '../local/data-dir.ts';
import { withFileLock } from '../local/file-lock.mjs';
import { writeDurably } from './durable-file.ts';

const FILE_NAME = 'marks.json';

const shape = z.strictObject({
  incarnation: z.string().max(64),
  revocation_epoch: z.int().min(0),
  beat: z.int().min(0),
});

/** The marks exist and cannot be read: starting without them could revive what was revoked. */
export class MarksUnreadableError extends Error {
  constructor(path: string, cause: unknown) {
    super(`${path} is not readable; put back its content, or remove it to trust the database as it is`, { cause });
    this.name = 'MarksUnreadableError';
  }
}

async function readMarks(path: string): Promise<Marks | null> {
  const text = await readFile(path, 'utf8').catch((err: NodeJS.ErrnoException) => {
    if (err.code === 'ENOENT') return null;
    throw new MarksUnreadableError(path, err);
  });
  if (text === null) return null;
  try {
    const { incarnation, revocation_epoch, beat } = shape.parse(JSON.parse(text));
    return { incarnation, revocationEpoch: revocation_epoch, beat };
  } catch (err) {
    throw new MarksUnreadableError(path, err);
  }
}

function writeMarks(path: string, { incarnation, revocationEpoch, beat }: Marks): Promise<void> {
  return writeDurably(path, `${JSON.stringify({ incarnation, revocation_epoch: revocationEpoch, beat })}\n`);
}

/**
 * Marks in `<data dir>/marks.json`: outside the database and its backups, for one host. Any number of its processes
 * may raise them; a lock file orders compare and write.
 */
export function createFileMarks(dataDir: string): MarkStore {
  ensureDataDir(dataDir);
  const path = join(dataDir, FILE_NAME);
  return {
    read: () => readMarks(path),
    raise: (marks, replaced = []) =>
      withFileLock(`${path}.lock`, async () => {
        const held = await readMarks(path);
        const next = joined(held, marks, replaced);
        if (held === null || !sameMarks(held, next)) await writeMarks(path, next);
        return next;
      }),
  };
}

function joined(held: Marks | null, marks: Marks, replaced: readonly string[]): Marks {
  if (held === null) return marks;
  if (held.incarnation !== marks.incarnation) return replaced.includes(held.incarnation) ? marks : held;
  return {
    incarnation: held.incarnation,
    revocationEpoch: Math.max(held.revocationEpoch, marks.revocationEpoch),
    beat: Math.max(held.beat, marks.beat),
  };
}

const sameMarks = (one: Marks, other: Marks): boolean =>
  one.incarnation === other.incarnation && one.revocationEpoch === other.revocationEpoch && one.beat === other.beat;
