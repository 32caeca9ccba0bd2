import { expect, test } from 'vitest';
import { createSharedReadings } from './shared-readings.ts';

const counted = () => {
  const readings = createSharedReadings<string>();
  const pending: PromiseWithResolvers<string>[] = [];
  const read = (key: string): Promise<string> =>
    readings(key, () => {
      const reading = Promise.withResolvers<string>();
      pending.push(reading);
      return reading.promise;
    });
  return { read, pending };
};

test('what is asked for while it is read is read once, and anew when that has ended', async () => {
  const { read, pending } = counted();
  const asked = [read('a'), read('a'), read('b')];
  expect(pending).toHaveLength(2);
  pending[0]?.resolve('one');
  pending[1]?.resolve('other');
  expect(await Promise.all(asked)).toEqual(['one', 'one', 'other']);
  const again = read('a');
  expect(pending).toHaveLength(3);
  pending[2]?.resolve('two');
  expect(await again).toBe('two');
});

test('a failed read rejects for the callers that shared it, not for later ones', async () => {
  const { read, pending } = counted();
  const asked = Promise.allSettled([read('a'), read('a')]);
  pending[0]?.reject(new Error('gone'));
  expect((await asked).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  const again = read('a');
  pending[1]?.resolve('back');
  expect(await again).toBe('back');
});
