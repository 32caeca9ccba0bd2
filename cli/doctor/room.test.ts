import { expect, test } from 'vitest';
import { storeUnavailable } from '../../services/platform/errors.ts';
import { judgeRoom, writeRefusal } from './room.ts';

const megabytes = (count: number): number => count * 1_048_576;

test('room enough passes, little is a warning, next to none a failure; each says how much', () => {
  expect(judgeRoom('/data', megabytes(5_000))).toEqual({ result: 'pass', evidence: '/data, 5,000 MB free' });
  expect(judgeRoom('/data', megabytes(1_023))).toMatchObject({ result: 'warn', fix: expect.stringContaining('df -h') });
  expect(judgeRoom('/data', megabytes(127))).toMatchObject({ result: 'fail', evidence: '/data, 127 MB free' });
});

test('a database without room is told apart from one that cannot be asked', async () => {
  const refusing = (code: string) => ({
    query: async <R>(statement: { readonly name: string }): Promise<R[]> => {
      if (statement.name === 'doctorWriteAbility') return [{ read_only: 'off' }] as R[];
      throw storeUnavailable({ cause: Object.assign(new Error('refused'), { code }) });
    },
  });
  expect(await writeRefusal(refusing('53100'))).toMatchObject({ what: 'its disk is full' });
  await expect(writeRefusal(refusing('57P01'))).rejects.toMatchObject({ code: 'store_unavailable' });
});
