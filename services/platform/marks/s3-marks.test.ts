import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { LogMark, Marks } from '#services/domain/ports.ts';
import { type S3Server, startS3Server } from '#testing/fakes/s3-server.ts';
import { MarksUnreadableError } from './mark-texts.ts';
import { MarkStoreUnavailableError, MarkStoreUnfitError } from './s3-cell.ts';
import { createS3LogMark, createS3Marks } from './s3-marks.ts';

let server: S3Server;
beforeEach(async () => {
  server = await startS3Server();
});
afterEach(() => server.close());

const logMark = () => createS3LogMark(server.settings);
/** Another process, on another machine. */
const marksOf = () => createS3Marks(server.settings, 0);
const markOf = (size: number, byte = size % 251): LogMark => ({
  origin: 'a.example/log',
  size,
  root: Buffer.alloc(32, byte).toString('base64'),
});
const one: Marks = { incarnation: 'i1', revocationEpoch: 5, beat: 10 };
const objectOf = (name: string): string => [...server.objects.keys()].find((key) => key.endsWith(name)) as string;

describe('the head of the log in an object store', () => {
  test('is swapped only from what is held, whichever part of it differs', async () => {
    const mark = logMark();
    expect(await mark.read()).toBeNull();
    expect(await mark.swap(markOf(1), markOf(2))).toBe(false);
    expect(await mark.swap(null, markOf(1))).toBe(true);
    expect(await mark.swap(null, markOf(2))).toBe(false);
    expect(await mark.swap(markOf(1, 9), markOf(2))).toBe(false);
    expect(await mark.swap({ ...markOf(1), origin: 'b' }, markOf(2))).toBe(false);
    expect(await mark.swap(markOf(1), markOf(2))).toBe(true);
    expect(await logMark().read()).toEqual(markOf(2));
  });

  test('moves to another log only by following it, and keeps what was the last head of each', async () => {
    const mark = logMark();
    const next = { ...markOf(3), origin: 'a.example/log/continued-00000000' };
    await mark.swap(null, markOf(1));
    await mark.swap(markOf(1), markOf(2));
    await expect(mark.swap(markOf(2), next)).rejects.toThrow('audit continue');
    expect(await mark.follow(markOf(1), next)).toBe(false);
    expect(await mark.readEarlier()).toEqual([]);
    expect(await mark.follow(markOf(2), next)).toBe(true);
    expect(await mark.swap(next, { ...next, size: 4 })).toBe(true);
    expect(await mark.read()).toEqual({ ...next, size: 4 });
    expect(await logMark().readEarlier()).toEqual([markOf(2)]);
    await mark.follow({ ...next, size: 4 }, { ...next, origin: 'another' });
    expect(await mark.readEarlier()).toEqual([markOf(2), { ...next, size: 4 }]);
  });

  test('of any number who swap at once from one mark, one succeeds', async () => {
    await logMark().swap(null, markOf(0));
    const hosts = Array.from({ length: 8 }, logMark);
    for (let round = 0; round < 10; round += 1) {
      const done = await Promise.all(hosts.map((host, at) => host.swap(markOf(round), markOf(round + 1, at + 1))));
      expect(done.filter(Boolean)).toHaveLength(1);
      const held = (await logMark().read())!;
      expect(held.root).toBe(markOf(round + 1, done.indexOf(true) + 1).root);
      await logMark().swap(held, markOf(round + 1));
    }
  });

  test('a swap whose answer was lost is an error, and the next look shows what became of it', async () => {
    const mark = logMark();
    await mark.swap(null, markOf(1));
    Object.assign(server, { fault: 'loses answers', faultAt: 'PUT' });
    await expect(mark.swap(markOf(1), markOf(2))).rejects.toBeInstanceOf(MarkStoreUnavailableError);
    server.fault = undefined;
    expect(await mark.read()).toEqual(markOf(2));
    expect(await mark.swap(markOf(1), markOf(3))).toBe(false);
  });

  test.each([404, 409, 412])('a write that was overtaken (%i) swaps nothing', async (status) => {
    const mark = logMark();
    await mark.swap(null, markOf(1));
    Object.assign(server, { fault: status, faultAt: 'PUT' });
    expect(await mark.swap(markOf(1), markOf(2))).toBe(false);
  });
});

describe('marks in an object store', () => {
  test('there are none before the first are raised, and other machines see them', async () => {
    expect(await marksOf().read()).toBeNull();
    expect(await marksOf().raise(one)).toEqual(one);
    expect(await marksOf().read()).toEqual(one);
  });

  test('no counter ever falls, and raising them returns the marks in force', async () => {
    await marksOf().raise(one);
    expect(await marksOf().raise({ ...one, revocationEpoch: 4, beat: 11 })).toEqual({ ...one, beat: 11 });
    const { length } = server.answers;
    const marks = marksOf();
    expect(await marks.raise({ ...one, revocationEpoch: 1, beat: 1 })).toEqual({ ...one, beat: 11 });
    // Three to see that conditions are heeded, one to look: nothing to write.
    expect(server.answers.slice(length)).toEqual([412, 412, 412, 200]);
  });

  test('another incarnation takes over only where it names the one it replaces', async () => {
    await marksOf().raise(one);
    const two = { incarnation: 'i2', revocationEpoch: 1, beat: 1 };
    expect(await marksOf().raise(two, ['i0'])).toEqual(one);
    expect(await marksOf().raise(two, ['i0', 'i1'])).toEqual(two);
    // A straggler of the old one changes nothing.
    expect(await marksOf().raise({ ...one, revocationEpoch: 99 })).toEqual(two);
  });

  test('raised by many at once they hold the highest of each', async () => {
    const hosts = Array.from({ length: 6 }, marksOf);
    for (let round = 0; round < 5; round += 1)
      await Promise.all(
        hosts.map((host, at) => host.raise({ ...one, revocationEpoch: round * 10 + at, beat: round * 10 + 9 - at })),
      );
    expect(await marksOf().read()).toEqual({ incarnation: 'i1', revocationEpoch: 45, beat: 49 });
  });

  test('a store that rejects every conditional write is an error, not an endless retry', async () => {
    const marks = marksOf();
    await marks.raise(one);
    Object.assign(server, { fault: 412, faultAt: 'PUT' });
    await expect(marks.raise({ ...one, beat: 11 })).rejects.toThrow('contended');
  });

  test('one process raises them no oftener than told', async () => {
    const marks = createS3Marks(server.settings, 200);
    const startedAtMs = performance.now();
    await marks.raise(one);
    await marks.raise({ ...one, beat: 11 });
    await marks.raise({ ...one, beat: 12 });
    expect(performance.now() - startedAtMs).toBeGreaterThanOrEqual(399);
  });
});

describe('closed rather than open', () => {
  test.each(['', '{', '{"origin":"a","size":-1,"root":""}', '[]'])(
    'what cannot be read (%j) is no mark at all, and says which object',
    async (text) => {
      await logMark().swap(null, markOf(1));
      await marksOf().raise(one);
      server.objects.set(objectOf('/audit-mark.json'), text);
      server.objects.set(objectOf('/marks.json'), text);
      await expect(logMark().read()).rejects.toBeInstanceOf(MarksUnreadableError);
      await expect(logMark().swap(null, markOf(1))).rejects.toThrow(`${server.url}/audit-mark.json`);
      await expect(marksOf().read()).rejects.toBeInstanceOf(MarksUnreadableError);
      await expect(marksOf().raise(one)).rejects.toThrow(`${server.url}/marks.json`);
    },
  );

  test('a store that ignores conditions is refused before a mark is read or written', async () => {
    server.fault = 'ignores conditions';
    await expect(logMark().read()).rejects.toBeInstanceOf(MarkStoreUnfitError);
    await expect(marksOf().raise(one)).rejects.toThrow('ignores If-Match and If-None-Match');
    expect([...server.objects.keys()].filter((name) => !name.endsWith('/condition-probe'))).toEqual([]);
  });

  test('a store whose tags cannot be compared is refused', async () => {
    const mark = logMark();
    await mark.swap(null, markOf(1));
    server.fault = 'weak tags';
    await expect(mark.swap(markOf(1), markOf(2))).rejects.toThrow('no_strong_etag');
    expect(server.objects.get(objectOf('/audit-mark.json'))).toContain('"size":1');
  });

  test.each([403, 500, 503] as const)('an answer of %i is never taken for “no marks”', async (status) => {
    await logMark().swap(null, markOf(1));
    const mark = logMark();
    server.fault = status;
    await expect(mark.read()).rejects.toThrow(`http_${status}`);
    await expect(mark.swap(null, markOf(1))).rejects.toBeInstanceOf(MarkStoreUnavailableError);
    server.fault = undefined;
    // And a first try that failed is not the last.
    expect(await mark.read()).toEqual(markOf(1));
  });

  test('wrong credentials and a store that is gone are errors with their reason, without the secret', async () => {
    const { settings } = server;
    const wrong = { ...settings, credentials: { ...settings.credentials, secretAccessKey: 'not-the-secret' } };
    await expect(createS3Marks(wrong, 0).read()).rejects.toThrow('http_403');
    await server.close();
    const failure = (await marksOf()
      .read()
      .catch((err: unknown) => err)) as Error;
    expect(failure.message).toBe(`${server.url}/marks.json does not answer as it must (ECONNREFUSED)`);
  });
});
