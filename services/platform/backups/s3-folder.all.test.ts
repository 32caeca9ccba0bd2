// About: services/platform/backups/
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { findS3Gateway, type S3Gateway, startS3Gateway } from '#tools/testing/processes/s3-gateway.ts';
import { loadConfig } from '../config/load.ts';
import { listS3Folder } from './s3-folder.ts';

const program = findS3Gateway();
if (program === undefined) console.warn('SKIPPED: folders of an S3 store: no Go here to build its server with');

describe.skipIf(program === undefined)('a folder in an S3 store', () => {
  let gateway: S3Gateway;
  const list = (place: string, max = 5_000) =>
    listS3Folder(place, loadConfig(gateway.env).backups, { max, pausesMs: [1] });
  beforeAll(async () => {
    gateway = await startS3Gateway(program as string);
    await mkdir(join(gateway.folder, 'feed/older'), { recursive: true });
    await writeFile(join(gateway.folder, 'feed/older/one.jws'), 'one');
    for (const name of [`a&b <c> 'd" ü.jws`, 'two.jws']) await writeFile(join(gateway.folder, 'feed', name), name);
    await mkdir(join(gateway.folder, 'many'));
    await Promise.all(
      Array.from({ length: 1_203 }, (_, at) => writeFile(join(gateway.folder, 'many', String(at)), 'x')),
    );
  });
  afterEach(() => {
    gateway.fault = () => undefined;
    gateway.requests.length = 0;
  });
  afterAll(() => gateway?.close());

  test('lists its objects with their names as they are, and not those of folders in it', async () => {
    const found = await list('s3://backups/feed/');
    expect(found.map(({ place }) => place).sort()).toEqual([
      `s3://backups/feed/a&b <c> 'd" ü.jws`,
      's3://backups/feed/two.jws',
    ]);
    expect(found.find(({ place }) => place.endsWith('two.jws'))?.bytes).toBe(7);
    expect(await list('s3://backups/none/')).toEqual([]);
    expect(await list('s3://backups/')).toEqual([]);
  });

  test('reads page after page, and refuses more objects than it was told to read', async () => {
    const places = (await list('s3://backups/many/')).map(({ place }) => place);
    expect(new Set(places).size).toBe(1_203);
    expect(gateway.requests).toHaveLength(2);
    await expect(list('s3://backups/many/', 1_100)).rejects.toMatchObject({ code: 'backup_place_invalid' });
  });

  test('a bucket that is missing and a store that stays away are named', async () => {
    await expect(list('s3://no-bucket/feed/')).rejects.toMatchObject({
      code: 'backup_store_refused',
      options: { detail: 's3://no-bucket/feed/: 404 NoSuchBucket' },
    });
    gateway.fault = () => ({ answer: 503 });
    await expect(list('s3://backups/feed/')).rejects.toMatchObject({ code: 'backup_store_unavailable' });
    await expect(list('s3://backups/../')).rejects.toMatchObject({ code: 'backup_place_invalid' });
  });
});
