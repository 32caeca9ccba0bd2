import { CheckpointForkError, type CheckpointSink } from '#services/core/ports.ts';
import { failed } from './http.ts';
import { createS3Requests, type S3Settings } from './s3-requests.ts';

/** Interval between two objects. */
const INTERVAL_MS = 60_000;
const SIZE_DIGITS = 16;

/**
 * Puts one object for each checkpoint, `<prefix>/<origin>/<size>`, and overwrites none: with object lock on the bucket
 * it cannot be deleted. An existing object must hold the same head.
 */
export function createS3Sink(settings: S3Settings, now: () => number = Date.now): CheckpointSink {
  const send = createS3Requests(settings, now);
  return {
    name: `s3:${settings.url}`,
    kind: 's3',
    intervalMs: INTERVAL_MS,
    async publish({ origin, size, note }, signal) {
      const name = [...origin.split('/').map(encodeURIComponent), String(size).padStart(SIZE_DIGITS, '0')].join('/');
      const headers = { 'content-type': 'text/plain; charset=utf-8', 'if-none-match': '*' };
      const put = await send({ method: 'PUT', name, body: note, headers }, signal);
      if (put.status === 200) return [];
      if (put.status !== 412) throw failed(put);
      const held = await send({ method: 'GET', name }, signal);
      if (held.status !== 200) throw failed(held);
      if (headOf(held.text) !== headOf(note)) throw new CheckpointForkError(held.text);
      return [];
    },
  };
}

const headOf = (note: string): string => note.split('\n', 3).join('\n');
