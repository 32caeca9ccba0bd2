import { describe, expect, test } from 'vitest';
import type { Marks } from '#services/core/ports.ts';
import { startS3Server } from '#tools/testing/fakes/s3-server.ts';
import { openedEach } from '#tools/testing/opened.ts';
import { markOf, testsOfLogMark } from './log-mark-harness.ts';
import { MarksUnreadableError } from './mark-texts.ts';
import { MarkStoreUnavailableError, MarkStoreUnfitError } from './s3-cell.ts';
import { createS3LogMark, createS3Marks } from './s3-marks.ts';

const server = openedEach(startS3Server);

const logMark = () => createS3LogMark(server.settings);
/** A process on another machine. */
const marksOf = () => createS3Marks(server.settings, 0);
const one: Marks = { incarnation: 'i1', revocationEpoch: 5, beat: 10 };
const objectOf = (name: string): string => [...server.objects.keys()].find((key) => key.endsWith(name)) as string;

describe('the head of the log in an object store', () => {
  testsOfLogMark(logMark);

  test('a swap whose response was lost is an error, and the next read shows whether it succeeded', async () => {
    const mark = logMark();
    await mark.swap(null, markOf(1));
    Object.assign(server, { fault: 'loses answers', faultAt: 'PUT' });
    await expect(mark.swap(markOf(1), markOf(2))).rejects.toBeInstanceOf(MarkStoreUnavailableError);
    server.fault = undefined;
    expect(await mark.read()).toEqual(markOf(2));
    expect(await mark.swap(markOf(1), markOf(3))).toBe(false);
  });

  test.each([404, 409, 412])('a write that lost to another write (%i) swaps nothing', async (status) => {
    const mark = logMark();
    await mark.swap(null, markOf(1));
    Object.assign(server, { fault: status, faultAt: 'PUT' });
    expect(await mark.swap(markOf(1), markOf(2))).toBe(false);
  });
});

describe('marks in an object store', () => {
  test('are absent until they are first raised, and other machines see them', async () => {
    expect(await marksOf().read()).toBeNull();
    expect([await marksOf().raise(one), await marksOf().read()]).toEqual([one, one]);
  });

  test('no counter decreases, and raise returns the resulting marks', async () => {
    await marksOf().raise(one);
    expect(await marksOf().raise({ ...one, revocationEpoch: 4, beat: 11 })).toEqual({ ...one, beat: 11 });
    const { length } = server.answers;
    const marks = marksOf();
    expect(await marks.raise({ ...one, revocationEpoch: 1, beat: 1 })).toEqual({ ...one, beat: 11 });
    // Three requests test that conditions are honoured, one reads; nothing is written.
    expect(server.answers.slice(length)).toEqual([412, 412, 412, 200]);
  });

  test('another incarnation takes over only if it names the one it replaces', async () => {
    await marksOf().raise(one);
    const two = { incarnation: 'i2', revocationEpoch: 1, beat: 1 };
    expect([await marksOf().raise(two, ['i0']), await marksOf().raise(two, ['i0', 'i1'])]).toEqual([one, two]);
    // A late raise of the old incarnation changes nothing.
    expect(await marksOf().raise({ ...one, revocationEpoch: 99 })).toEqual(two);
  });

  test('concurrent raises leave the highest value of each counter', async () => {
    const hosts = Array.from({ length: 6 }, marksOf);
    for (let round = 0; round < 5; round += 1)
      await Promise.all(
        hosts.map((host, at) => host.raise({ ...one, revocationEpoch: round * 10 + at, beat: round * 10 + 9 - at })),
      );
    expect(await marksOf().read()).toEqual({ incarnation: 'i1', revocationEpoch: 45, beat: 49 });
  });

  test('a store that rejects every conditional write causes an error, not an endless retry', async () => {
    const marks = marksOf();
    await marks.raise(one);
    Object.assign(server, { fault: 412, faultAt: 'PUT' });
    await expect(marks.raise({ ...one, beat: 11 })).rejects.toThrow('contended');
  });

  test('one process raises the marks at most once per interval', async () => {
    const marks = createS3Marks(server.settings, 200);
    const startedAtMs = performance.now();
    await marks.raise(one);
    await marks.raise({ ...one, beat: 11 });
    await marks.raise({ ...one, beat: 12 });
    expect(performance.now() - startedAtMs).toBeGreaterThanOrEqual(399);
  });
});

describe('fails closed', () => {
  test.each(['', '{', '{"origin":"a","size":-1,"root":""}', '[]'])(
    'an unreadable mark (%j) is an error that names the object, not an absent mark',
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

  test('a store without strong ETags is refused', async () => {
    const mark = logMark();
    await mark.swap(null, markOf(1));
    server.fault = 'weak tags';
    await expect(mark.swap(markOf(1), markOf(2))).rejects.toThrow('no_strong_etag');
    expect(server.objects.get(objectOf('/audit-mark.json'))).toContain('"size":1');
  });

  test.each([403, 500, 503] as const)('a response of %i is an error, not absent marks', async (status) => {
    await logMark().swap(null, markOf(1));
    const mark = logMark();
    server.fault = status;
    await expect(mark.read()).rejects.toThrow(`http_${status}`);
    await expect(mark.swap(null, markOf(1))).rejects.toBeInstanceOf(MarkStoreUnavailableError);
    server.fault = undefined;
    // A failed first attempt does not prevent later ones.
    expect(await mark.read()).toEqual(markOf(1));
  });

  test('wrong credentials and an unreachable store are errors with the reason, without the secret', async () => {
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
