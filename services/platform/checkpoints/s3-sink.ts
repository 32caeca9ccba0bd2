import { CheckpointForkError, type CheckpointSink } from '../../domain/ports.ts';
import { ask, failed, type SinkAnswer } from './http.ts';
import { type S3Credentials, signV4 } from './signature-v4.ts';

/** How often an object is put. */
const INTERVAL_MS = 60_000;
const SIZE_DIGITS = 16;

export type S3Settings = {
  /** Bucket and prefix, `https://bucket.s3.eu-central-1.amazonaws.com/prefix` or path-style. */
  readonly url: string;
  readonly region: string;
  readonly credentials: S3Credentials;
};

/**
 * One object for each checkpoint, `<prefix>/<origin>/<size>`, put only where none is: with object lock on the bucket
 * nobody can take it back. What is there already must be the same head.
 */
export function createS3Sink({ url, region, credentials }: S3Settings, now: () => number = Date.now): CheckpointSink {
  const send = (
    method: 'PUT' | 'GET',
    object: URL,
    body: string,
    headers: Record<string, string>,
    signal: AbortSignal,
  ): Promise<SinkAnswer> => {
    const signed = signV4({ method, url: object, headers, body }, region, credentials, now());
    return ask(object.href, { method, headers: signed, ...(method === 'PUT' ? { body } : {}) }, signal);
  };

  return {
    name: `s3:${url}`,
    kind: 's3',
    intervalMs: INTERVAL_MS,
    async publish({ origin, size, note }, signal) {
      const name = [...origin.split('/').map(encodeURIComponent), String(size).padStart(SIZE_DIGITS, '0')].join('/');
      const object = new URL(`${url}/${name}`);
      const headers = { 'content-type': 'text/plain; charset=utf-8', 'if-none-match': '*' };
      const put = await send('PUT', object, note, headers, signal);
      if (put.status === 200) return [];
      if (put.status !== 412) throw failed(put);
      const held = await send('GET', object, '', {}, signal);
      if (held.status !== 200) throw failed(held);
      if (headOf(held.text) !== headOf(note)) throw new CheckpointForkError(held.text);
      return [];
    },
  };
}

const headOf = (note: string): string => note.split('\n', 3).join('\n');
