import { setTimeout as sleep } from 'node:timers/promises';
import type { LogHead, LogHighWaterStore, MarkStore, Marks } from '#services/core/ports.ts';
import type { S3Settings } from '../checkpoints/s3-requests.ts';
import {
  followedLogMark,
  type HeldLogMark,
  isSameLogMark,
  isSameMarks,
  joinMarks,
  logMarkText,
  marksText,
  movedLogMark,
  parseLogMark,
  parseMarks,
} from './mark-texts.ts';
import { createS3Cell, MarkStoreUnavailableError } from './s3-cell.ts';

/** Minimum time between two raises of a copy; each takes one or two requests. */
const RAISE_INTERVAL_MS = 1_000;
/** Each lost attempt means that another writer succeeded. */
const TRIES = 20;

/**
 * The high-water mark of the audit log in the object `<prefix>/audit-mark.json`, for any number of hosts.
 * Throws `MarksUnreadableError`, `MarkStoreUnavailableError`, `MarkStoreUnfitError`.
 */
export function createS3LogMark(settings: S3Settings): LogHighWaterStore {
  const cell = createS3Cell(settings, 'audit-mark.json');
  const look = async () => {
    const version = await cell.read();
    return { version, held: version && parseLogMark(cell.place, version.text) };
  };
  const replace = async (
    expected: LogHead | null,
    nextOf: (held: HeldLogMark | null) => HeldLogMark,
  ): Promise<boolean> => {
    const { version, held } = await look();
    return isSameLogMark(held?.mark ?? null, expected) && cell.write(logMarkText(nextOf(held)), version);
  };
  return {
    read: async () => (await look()).held?.mark ?? null,
    readEarlier: async () => (await look()).held?.earlier ?? [],
    swap: (expected, next) => replace(expected, (held) => movedLogMark(held, next)),
    follow: (expected, next) => replace(expected, (held) => followedLogMark(held, next)),
  };
}

/**
 * High-water marks in the object `<prefix>/marks.json`, for any number of hosts. Each process raises them at most once
 * a second.
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
