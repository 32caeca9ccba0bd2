// About: services/platform/backups/
import { createHash, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { outcomeOf } from '#tools/testing/outcome.ts';
import { findS3Gateway, type S3Fault, type S3Gateway, startS3Gateway } from '#tools/testing/processes/s3-gateway.ts';
import { loadConfig } from '../config/load.ts';
import { readS3InParts, writeS3AtOnce } from './s3-place.ts';

const program = findS3Gateway();
if (program === undefined) console.warn('SKIPPED: backups in an S3 store: no Go here to build its server with');

const PART_BYTES = 5 * 1_024 * 1_024;
/** A busy machine is no silent store. */
const PATIENT = { partBytes: PART_BYTES, pausesMs: [1, 1, 1], stalledMs: 60_000 };
const FAST = { partBytes: PART_BYTES, pausesMs: [1, 1, 1], stalledMs: 300 };
const content = randomBytes(2 * PART_BYTES + 12_345);

async function* source(bytes = content, failure?: Error): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += 700_001) yield bytes.subarray(at, at + 700_001);
  if (failure) throw failure;
}

async function read(parts: AsyncIterable<Buffer>): Promise<Buffer> {
  const all: Buffer[] = [];
  for await (const part of parts) all.push(Buffer.from(part));
  return Buffer.concat(all);
}

/** Fails the first requests of this kind. */
const first =
  (times: number, pattern: RegExp, fault: S3Fault) =>
  (request: string): S3Fault | undefined => {
    if (!pattern.test(request) || times === 0) return undefined;
    times -= 1;
    return fault;
  };

describe.skipIf(program === undefined)('a backup in an S3 store', () => {
  let gateway: S3Gateway;
  const config = (env: Record<string, string> = {}) => loadConfig({ ...gateway.env, ...env }).backups;
  const write = (key: string, from: AsyncIterable<Buffer> = source()) =>
    writeS3AtOnce(`s3://backups/${key}`, from, config(), FAST);
  const readBack = (key: string) => read(readS3InParts(`s3://backups/${key}`, config(), FAST));

  beforeAll(async () => {
    gateway = await startS3Gateway(program as string);
  });
  afterEach(() => {
    gateway.fault = () => undefined;
    gateway.requests.length = 0;
  });
  afterAll(() => gateway?.close());

  test('is written in parts and read back as it was, and its digest is that of the bytes', async () => {
    const written = await write('daily/a b+ü.backup');
    expect(written).toEqual({ bytes: content.length, sha256: createHash('sha256').update(content).digest('hex') });
    expect(gateway.requests.filter((each) => each.includes('partNumber='))).toHaveLength(3);
    expect(readFileSync(join(gateway.folder, 'daily/a b+ü.backup')).equals(content)).toBe(true);
    expect((await readBack('daily/a b+ü.backup')).equals(content)).toBe(true);
    await write('empty-parts', source(content.subarray(0, PART_BYTES)));
    expect((await readBack('empty-parts')).equals(content.subarray(0, PART_BYTES))).toBe(true);
  });

  test('a source that fails leaves the earlier object, and no part of an upload', async () => {
    await write('kept', source(content.subarray(0, 1_000)));
    await expect(write('kept', source(content, new Error('overtaken')))).rejects.toThrow('overtaken');
    expect((await readBack('kept')).equals(content.subarray(0, 1_000))).toBe(true);
    expect(gateway.keys().uploads).toEqual([]);
  });

  test('a part that is lost, refused for a while or left without an answer is sent again', async () => {
    for (const fault of [{ answer: 503 }, 'lose', { answer: 429 }] as const) {
      gateway.fault = first(2, /partNumber=2/, fault);
      await write('retried');
      expect((await readBack('retried')).equals(content)).toBe(true);
    }
    expect(gateway.keys().uploads).toEqual([]);
  });

  test('the end of an upload whose answer was lost is known by the object itself', async () => {
    gateway.fault = first(1, /^POST .*uploadId=/, 'lose');
    expect((await write('completed')).bytes).toBe(content.length);
    expect((await readBack('completed')).equals(content)).toBe(true);
  });

  test('a store that stays away is named, and nothing half remains', async () => {
    gateway.fault = first(1_000, /partNumber=/, { answer: 503 });
    await expect(write('lost')).rejects.toMatchObject({ code: 'backup_store_unavailable' });
    expect(gateway.keys()).toMatchObject({ uploads: [] });
    expect(gateway.keys().objects).not.toContain('lost');
    gateway.fault = (request) => (request.startsWith('HEAD') ? { answer: 403 } : undefined);
    await expect(write('unproved')).rejects.toMatchObject({ code: 'backup_store_refused' });
    gateway.fault = () => 'lose';
    await expect(readBack('kept')).rejects.toMatchObject({ code: 'backup_store_unavailable' });
    gateway.fault = () => ({ answer: 500 });
    await expect(readBack('kept')).rejects.toMatchObject({ code: 'backup_store_unavailable' });
  });

  test('a read that breaks or stalls goes on where it ended, and never in another version', async () => {
    const reading = () => readS3InParts('s3://backups/read', config(), PATIENT);
    await write('read');
    gateway.fault = first(2, /^GET .*\/read$/, 'break');
    expect((await read(reading())).equals(content)).toBe(true);
    expect(gateway.requests.filter((each) => each === 'GET /backups/read')).toHaveLength(3);
    gateway.fault = first(1, /^GET /, 'hang');
    expect((await readBack('read')).equals(content)).toBe(true);
    let requests = 0;
    gateway.fault = () => (++requests === 1 ? 'break' : { says: { 'content-range': 'bytes 0-5/6' } });
    await expect(read(reading())).rejects.toMatchObject({ code: 'backup_store_unavailable' });
    const overtaken = reading();
    gateway.fault = first(1, /^GET .*\/read$/, 'break');
    await overtaken.next();
    await write('read', source(randomBytes(content.length)));
    await expect(read(overtaken)).rejects.toMatchObject({ code: 'backup_store_refused' });
  });

  test('a store that lies about the tag of a part or the length of the object has written no backup', async () => {
    gateway.fault = first(1, /partNumber=2/, { says: { etag: '"0123456789abcdef0123456789abcdef"' } });
    await expect(write('false-tag')).rejects.toMatchObject({ code: 'backup_store_refused' });
    expect(gateway.keys().objects).not.toContain('false-tag');
    expect(gateway.keys().uploads).toEqual([]);
    gateway.fault = first(1, /^HEAD /, { says: { 'content-length': String(content.length - 1) } });
    await expect(write('false-length')).rejects.toMatchObject({
      code: 'backup_store_refused',
      options: { detail: `s3://backups/false-length has ${content.length - 1} of ${content.length} bytes` },
    });
  });

  test('a store that lies about the tag or the length of what is read is never read to an end', async () => {
    await write('lied');
    gateway.fault = first(1, /^GET /, { says: { 'content-length': String(content.length + 1) } });
    const readLied = async () => (await read(readS3InParts('s3://backups/lied', config(), PATIENT))).length;
    await expect(readLied()).rejects.toMatchObject({ code: 'backup_store_refused' });
    gateway.fault = first(1, /^GET /, { says: { etag: '"another"', 'content-length': String(content.length + 1) } });
    await expect(readLied()).rejects.toMatchObject({
      code: 'backup_store_refused',
      options: { detail: expect.stringContaining('412') },
    });
  });

  test('what the store refuses is told with its status, and is not tried again', async () => {
    await expect(readBack('missing')).rejects.toMatchObject({ code: 'backup_not_found' });
    await expect(read(readS3InParts('s3://no-bucket/key', config(), FAST))).rejects.toMatchObject({
      code: 'backup_store_refused',
      options: { detail: 's3://no-bucket/key: 404 NoSuchBucket' },
    });
    expect(await outcomeOf(writeS3AtOnce('s3://no-bucket/key', source(), config(), FAST))).toBe('backup_store_refused');
    const other = config({ BACKUP_S3_SECRET_ACCESS_KEY: 'another' });
    await expect(read(readS3InParts('s3://backups/read', other, FAST))).rejects.toMatchObject({
      code: 'backup_store_refused',
      options: { detail: 's3://backups/read: 403 SignatureDoesNotMatch' },
    });
    gateway.requests.length = 0;
    gateway.fault = first(1, /partNumber=1/, { answer: 400 });
    await expect(write('refused')).rejects.toMatchObject({ code: 'backup_store_refused' });
    expect(gateway.requests.filter((each) => each.includes('partNumber=1'))).toHaveLength(1);
    expect(gateway.keys()).toMatchObject({ uploads: [] });
  });

  test('a place that is no object, and missing credentials, are refused before any request', async () => {
    for (const place of [
      's3://backups',
      's3://backups/',
      's3://Backups/key',
      's3://backups/folder/',
      's3://backups/a/../../other/key',
    ])
      expect(await outcomeOf(writeS3AtOnce(place, source(), config(), FAST))).toBe('backup_place_invalid');
    const none = { ...config(), s3AccessKeyId: undefined };
    await expect(read(readS3InParts('s3://backups/key', none))).rejects.toMatchObject({ code: 'backup_place_invalid' });
    expect(gateway.requests).toEqual([]);
  });

  test('uploads of the same key that a killed process left a day ago are aborted, and younger ones are not', async () => {
    // A source that never ends holds the upload in its midst, as a process that was killed leaves it.
    const held = Promise.withResolvers<void>();
    async function* stopping(): AsyncGenerator<Buffer> {
      yield content;
      await held.promise;
      throw new Error('ended');
    }
    const killed = writeS3AtOnce('s3://backups/abandoned', stopping(), config(), FAST);
    killed.catch(() => {});
    const begun = () => gateway.keys().uploads.length;
    await expect.poll(begun, { timeout: 30_000 }).toBe(1);
    await write('abandoned');
    expect(begun()).toBe(1);
    vi.useFakeTimers({ now: Date.now() + 25 * 3_600_000, toFake: ['Date'] });
    try {
      // Its own clock is a day ahead of that of the store, which therefore refuses what follows.
      gateway.requests.length = 0;
      await write('abandoned').catch(() => {});
      expect(gateway.requests[0]).toMatch(/^GET .*uploads=/);
    } finally {
      vi.useRealTimers();
    }
    held.resolve();
    await expect(killed).rejects.toThrow('ended');
    expect(begun()).toBe(0);
  });
});
