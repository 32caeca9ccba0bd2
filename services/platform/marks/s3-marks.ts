import { setTimeout as sleep } from 'node:timers/promises';
import type { LogMarkStore, MarkStore, Marks } from '../../domain/ports.ts';
import type { S3Settings } from '../checkpoints/s3-requests.ts';
import {
  isSameLogMark,
  isSameMarks,
  joinMarks,
  logMarkText,
  marksText,
  parseLogMark,
  parseMarks,
} from './mark-texts.ts';
import { createS3Cell, MarkStoreUnavailableError } from './s3-cell.ts';

/** A copy raises its marks no oftener: each time is a request or two. */
const RAISE_INTERVAL_MS = 1_000;
/** Each lost try is somebody else's success. */
const TRIES = 20;

/**
 * The head of the audit log in the object `<prefix>/audit-mark.json`, for any number of hosts.
 * Throws `MarksUnreadableError`, `MarkStoreUnavailableError`, `MarkStoreUnfitError`.
 */
export function createS3LogMark(settings: S3Settings): LogMarkStore {
  const cell = createS3Cell(settings, 'audit-mark.json');
  const look = async () => {
    const held = await cell.read();
    return { held, mark: held && parseLogMark(cell.place, held.text) };
  };
  return {
    read: async () => (await look()).mark,
    swap: async (expected, next) => {
      const { held, mark } = await look();
      return isSameLogMark(mark, expected) && cell.write(logMarkText(next), held);
    },
  };
}

/**
 * Marks in the object `<prefix>/marks.json`, for any number of hosts. Raised at most once a second by each process.
 * Throws as `createS3LogMark` does.
 */
export function createS3Marks(settings: S3Settings, raiseIntervalMs: number = RAISE_INTERVAL_MS): MarkStore {
  const cell = createS3Cell(settings, 'marks.json');
  let raisedAtMs = Number.NEGATIVE_INFINITY;

  async function raise(marks: Marks, replaced: readonly string[]): Promise<Marks> {
    for (let tries = 0; tries < TRIES; tries += 1) {
      const version = await cell.read();
      const held = version && parseMarks(cell.place, version.text);
      const next = joinMarks(held, marks, replaced);
      if (isSameMarks(held, next) || (await cell.write(marksText(next), version))) return next;
      await sleep(Math.random() * 20 * (tries + 1));
    }
    throw new MarkStoreUnavailableError(cell.place, { code: 'contended' });
  }

  return {
    read: async () => {
      const version = await cell.read();
      return version && parseMarks(cell.place, version.text);
    },
    raise: async (marks, replaced = []) => {
      const earlyMs = raisedAtMs + raiseIntervalMs - performance.now();
      if (earlyMs > 0) await sleep(earlyMs);
      raisedAtMs = performance.now();
      return raise(marks, replaced);
    },
  };
}
