import { createHash, randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import type { BackupConfig } from '../config/backups.ts';
import { isAppError } from '../define/error.ts';
import { backupNotFound, backupStoreRefused } from './errors.ts';
import type { Written } from './file-place.ts';
import {
  answerOf,
  ask,
  isPassing,
  member,
  objectOf,
  PAUSES_MS,
  refused,
  type S3Object,
  send,
  unavailable,
} from './s3-object.ts';

/** Two parts are in memory: one that is sent, and one that fills. */
const PART_BYTES = 16 * 1_024 * 1_024;
/** Of one object, by the S3 API. */
const PARTS_MAX = 10_000;
const STALLED_MS = 30_000;
/** An upload of the same key that is older was begun by a process that was killed. */
const ABANDONED_MS = 24 * 3_600_000;
const RUN = 'x-amz-meta-sallyport-run';

type S3Options = { readonly partBytes?: number; readonly pausesMs?: readonly number[]; readonly stalledMs?: number };

/** Parts of one size, of which only the last is shorter. */
async function* partsOf(source: AsyncIterable<Uint8Array>, bytes: number): AsyncGenerator<Buffer<ArrayBuffer>> {
  let part = Buffer.allocUnsafeSlow(bytes);
  let filled = 0;
  for await (const chunk of source)
    for (let at = 0; at < chunk.byteLength; ) {
      const taken = Math.min(bytes - filled, chunk.byteLength - at);
      part.set(chunk.subarray(at, at + taken), filled);
      filled += taken;
      at += taken;
      if (filled < bytes) continue;
      yield part;
      part = Buffer.allocUnsafeSlow(bytes);
      filled = 0;
    }
  if (filled > 0) yield part.subarray(0, filled);
}

/** Uploads of this key that a killed process left: their parts take room, though no object shows them. */
async function abortAbandoned(object: S3Object, pausesMs: readonly number[]): Promise<void> {
  const query = { uploads: '', prefix: decodeURIComponent(object.key), 'max-uploads': '100' };
  const { status, text } = await ask(object, { method: 'GET', query, isOfBucket: true }, pausesMs);
  // A key that may not list leaves that to the rules of the bucket.
  if (status !== 200) return;
  for (const [, upload = ''] of text.matchAll(/<Upload>(.*?)<\/Upload>/gs)) {
    const [key, uploadId, initiated] = ['Key', 'UploadId', 'Initiated'].map((name) => member(upload, name) ?? '');
    if (key !== query.prefix || Date.now() - Date.parse(initiated ?? '') < ABANDONED_MS) continue;
    await ask(object, { method: 'DELETE', query: { uploadId: uploadId ?? '' } }, pausesMs);
  }
}

async function sendParts(
  object: S3Object,
  uploadId: string,
  source: AsyncIterable<Uint8Array>,
  { partBytes, pausesMs }: Required<Pick<S3Options, 'partBytes' | 'pausesMs'>>,
): Promise<Written & { readonly tags: readonly string[] }> {
  const digest = createHash('sha256');
  const tags: string[] = [];
  let bytes = 0;
  let sending: Promise<void> = Promise.resolve();
  // The store compares each part with the digest that its signature covers.
  const put = async (body: Buffer<ArrayBuffer>, number: number): Promise<void> => {
    const query = { partNumber: String(number), uploadId };
    const answer = await ask(object, { method: 'PUT', query, body }, pausesMs);
    const tag = answer.headers.etag;
    if (answer.status !== 200 || tag === undefined) throw refused(object, answer);
    tags.push(tag);
  };
  let number = 0;
  try {
    for await (const part of partsOf(source, partBytes)) {
      number += 1;
      if (number > PARTS_MAX) throw backupStoreRefused({ detail: `the backup has more than ${PARTS_MAX} parts` });
      digest.update(part);
      bytes += part.length;
      await sending;
      sending = put(part, number);
      sending.catch(() => {});
    }
  } finally {
    await sending;
  }
  return { bytes, sha256: digest.digest('hex'), tags };
}

async function complete(
  object: S3Object,
  uploadId: string,
  run: string,
  { bytes, tags }: { readonly bytes: number; readonly tags: readonly string[] },
  pausesMs: readonly number[],
): Promise<void> {
  const parts = tags.map((tag, at) => `<Part><PartNumber>${at + 1}</PartNumber><ETag>${tag}</ETag></Part>`).join('');
  const body = `<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${parts}</CompleteMultipartUpload>`;
  const answer = await ask(object, { method: 'POST', query: { uploadId }, body }, pausesMs);
  // 404: an earlier attempt completed it, and its answer was lost. The object says whose it is.
  if (answer.status !== 200 && answer.status !== 404) throw refused(object, answer);
  const { status, headers } = await ask(object, { method: 'HEAD' }, pausesMs);
  if (status !== 200 || headers[RUN] !== run) throw refused(object, answer);
  if (headers['content-length'] !== String(bytes))
    throw backupStoreRefused({ detail: `${object.place} has ${headers['content-length']} of ${bytes} bytes` });
}

/**
 * Uploads in parts an object that appears under its key only when it is complete; an object of that key is replaced then.
 * An upload that fails is aborted. That of a killed process shows no object, and is aborted by the next one a day later.
 * @throws backupPlaceInvalid, backupStoreUnavailable, backupStoreRefused; what `source` throws
 */
export async function writeS3AtOnce(
  place: string,
  source: AsyncIterable<Uint8Array>,
  config: BackupConfig,
  { partBytes = PART_BYTES, pausesMs = PAUSES_MS }: S3Options = {},
): Promise<Written> {
  const object = objectOf(place, config);
  await abortAbandoned(object, pausesMs);
  const run = randomUUID();
  const headers = { 'content-type': 'application/octet-stream', [RUN]: run };
  const begun = await ask(object, { method: 'POST', query: { uploads: '' }, headers }, pausesMs);
  const uploadId = member(begun.text, 'UploadId');
  if (begun.status !== 200 || uploadId === undefined) throw refused(object, begun);
  try {
    const { tags, ...written } = await sendParts(object, uploadId, source, { partBytes, pausesMs });
    await complete(object, uploadId, run, { bytes: written.bytes, tags }, pausesMs);
    return written;
  } catch (err) {
    await ask(object, { method: 'DELETE', query: { uploadId } }, pausesMs).catch(() => {});
    throw err;
  }
}

/** Gives up on a store that is silent for too long. */
function silenceOf(stalledMs: number) {
  const stalling = new AbortController();
  return {
    signal: stalling.signal,
    end: () => stalling.abort(),
    async within<T>(work: Promise<T>): Promise<T> {
      const timer = setTimeout(() => stalling.abort(), stalledMs);
      return work.finally(() => clearTimeout(timer));
    },
  };
}

type Version = { readonly etag: string; readonly bytes: number };

/** Opens the object from a place on: in its newest version, or in this one. */
async function openFrom(
  object: S3Object,
  at: number,
  version: Version | undefined,
  silence: ReturnType<typeof silenceOf>,
): Promise<{ readonly response: IncomingMessage; readonly version: Version }> {
  const headers: Record<string, string> = version ? { range: `bytes=${at}-`, 'if-match': version.etag } : {};
  const response = await silence.within(send(object, { method: 'GET', headers }, silence.signal));
  if (response.statusCode === (version ? 206 : 200)) {
    const { 'content-range': range = '' } = response.headers;
    if (version && !range.startsWith(`bytes ${at}-`)) throw new Error(`it answered with ${range.slice(0, 64)}`);
    const { etag = '', 'content-length': bytes } = response.headers;
    return { response, version: version ?? { etag, bytes: Number(bytes) } };
  }
  const answer = await silence.within(answerOf(response));
  if (isPassing(answer.status)) throw new Error(`HTTP ${answer.status}`);
  throw member(answer.text, 'Code') === 'NoSuchKey'
    ? backupNotFound({ detail: object.place })
    : refused(object, answer);
}

/**
 * Reads an object as a stream. When the connection breaks, it goes on from there, in the same version of the object.
 * @throws backupPlaceInvalid, backupNotFound, backupStoreUnavailable, backupStoreRefused
 */
export async function* readS3InParts(
  place: string,
  config: BackupConfig,
  { pausesMs = PAUSES_MS, stalledMs = STALLED_MS }: S3Options = {},
): AsyncGenerator<Buffer> {
  const object = objectOf(place, config);
  let version: Version | undefined;
  let at = 0;
  let failed = 0;
  for (;;) {
    const silence = silenceOf(stalledMs);
    try {
      const opened = await openFrom(object, at, version, silence);
      version = opened.version;
      const chunks = opened.response[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
      for (;;) {
        const { value, done } = await silence.within(chunks.next());
        if (done) break;
        at += value.length;
        failed = 0;
        yield value;
      }
      if (at === version.bytes) return;
      throw new Error(`it ended after ${at} of ${version.bytes} bytes`);
    } catch (err) {
      if (isAppError(err)) throw err;
      if (failed >= pausesMs.length) throw unavailable(object, err);
      await sleep(pausesMs[failed]);
      failed += 1;
    } finally {
      silence.end();
    }
  }
}
