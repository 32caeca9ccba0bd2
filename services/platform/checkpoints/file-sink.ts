import { mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CheckpointForkError, type CheckpointSink, type LogHead } from '#services/core/ports.ts';
import { writeDurably } from '../marks/durable-file.ts';

/** One head an hour is kept for good; between two of them only the newest exists. */
const KEEP_MS = 3_600_000;

/**
 * Writes checkpoints as files, to be copied off this machine: `<folder>/<origin>/checkpoint` is the newest,
 * `<milliseconds>-<size>.checkpoint` is kept once an hour. If a new head contradicts the newest file, that file stays,
 * and the new head is written beside it as `<size>-<root>.fork`.
 */
export function createFileSink(folder: string, now: () => number = Date.now): CheckpointSink {
  return {
    name: 'file',
    kind: 'file',
    intervalMs: 0,
    async publish(checkpoint) {
      const home = join(folder, encodeURIComponent(checkpoint.origin));
      const newest = join(home, 'checkpoint');
      await mkdir(home, { recursive: true, mode: 0o700 });
      const held = await readFile(newest, 'utf8').catch((err: NodeJS.ErrnoException) => {
        if (err.code === 'ENOENT') return null;
        throw err;
      });
      if (held !== null && !continues(checkpoint, headOf(held))) {
        const root = Buffer.from(checkpoint.root, 'base64').toString('hex').slice(0, 16);
        await writeDurably(join(home, `${checkpoint.size}-${root}.fork`), checkpoint.note);
        throw new CheckpointForkError(held);
      }
      // Another worker has published a later head.
      if (held !== null && headOf(held).size > checkpoint.size) return [];
      await writeDurably(newest, checkpoint.note);
      if (await isKeepingTime(home, now())) await writeDurably(keptPath(home, now(), checkpoint.size), checkpoint.note);
      return [];
    },
  };
}

function headOf(note: string): LogHead {
  const [origin = '', size = '', root = ''] = note.split('\n', 3);
  return { origin, size: Number(size), root };
}

/** Whether two heads can belong to one history: heads of the same size must have the same root. */
const continues = (one: LogHead, other: LogHead): boolean => one.size !== other.size || one.root === other.root;

const KEPT = /^(\d+)-(\d+)\.checkpoint$/;
const keptPath = (home: string, nowMs: number, size: number): string =>
  join(home, `${Math.floor(nowMs)}-${size}.checkpoint`);

async function isKeepingTime(home: string, nowMs: number): Promise<boolean> {
  const times = (await readdir(home)).flatMap((name) => KEPT.exec(name)?.[1] ?? []).map(Number);
  return times.every((keptMs) => nowMs - keptMs >= KEEP_MS);
}
