import { expect, test } from 'vitest';
import { translate } from '#services/platform/postgres/pool.ts';
import { judgeRoom, writeRefusal } from './room.ts';

const megabytes = (count: number): number => count * 1_048_576;

test('room enough passes, little is a warning, next to none a failure; each says how much', () => {
  expect(judgeRoom('/data', megabytes(5_000))).toEqual({ result: 'pass', evidence: '/data, 5,000 MB free' });
  expect(judgeRoom('/data', megabytes(1_023))).toMatchObject({ result: 'warn', fix: expect.stringContaining('df -h') });
  expect(judgeRoom('/data', megabytes(127))).toMatchObject({ result: 'fail', evidence: '/data, 127 MB free' });
});

/** A database that refuses whatever is asked, as the pool reports it. */
const refusing = (code: string) => ({
  query: async (): Promise<never> => {
    throw translate(Object.assign(new Error('refused'), { code }));
  },
});

test('a database without room is told apart from one that cannot be asked', async () => {
  expect(await writeRefusal(refusing('53100'), false)).toMatchObject({ what: 'its disk is full' });
  await expect(writeRefusal(refusing('57P01'), false)).rejects.toMatchObject({ code: 'store_unavailable' });
});

test('a read-only database is told by what it says of itself, and nothing is tried on it', async () => {
  expect(await writeRefusal(refusing('57P01'), true)).toMatchObject({ what: 'it is read-only' });
});

test('without the right to make temporary tables the free space is unknown, and the check passes', async () => {
  expect(await writeRefusal(refusing('42501'), false)).toBeUndefined();
});
