import { expect, test } from 'vitest';
import { translate } from '#services/platform/postgres/pool.ts';
import { roomResult, writeRefusal } from './room.ts';

const megabytes = (count: number): number => count * 1_048_576;

test('passes with enough free space, warns with little and fails with almost none; each result states how much', () => {
  expect(roomResult('/data', megabytes(5_000))).toEqual({ result: 'pass', evidence: '/data, 5,000 MB free' });
  expect(roomResult('/data', megabytes(1_023))).toMatchObject({
    result: 'warn',
    fix: expect.stringContaining('df -h'),
  });
  expect(roomResult('/data', megabytes(127))).toMatchObject({ result: 'fail', evidence: '/data, 127 MB free' });
});

/** A database that refuses every statement, as the pool reports it. */
const refusing = (code: string) => ({
  query: async (): Promise<never> => {
    throw translate(Object.assign(new Error('refused'), { code }));
  },
});

test('a full disk is reported differently from a database that does not answer', async () => {
  expect(await writeRefusal(refusing('53100'), false)).toMatchObject({ what: 'its disk is full' });
  await expect(writeRefusal(refusing('57P01'), false)).rejects.toMatchObject({ code: 'store_unavailable' });
});

test('a read-only database is recognised by its own report, without a test write', async () =>
  expect(await writeRefusal(refusing('57P01'), true)).toMatchObject({ what: 'it is read-only' }));

test('passes without the right to create temporary tables, since the free space is unknown', async () =>
  expect(await writeRefusal(refusing('42501'), false)).toBeUndefined());
