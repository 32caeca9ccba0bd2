import { expect, test } from 'vitest';
import { readOptions } from './options.ts';

test('a seed is drawn where none is given', () => {
  expect(readOptions([])?.seed).toBeGreaterThanOrEqual(0);
  expect(readOptions(['--seed', '7', '--seconds', '5', '--faults', 'kill-api,older-database'])).toMatchObject({
    seed: 7,
    seconds: 5,
    faults: ['kill-api', 'older-database'],
  });
  expect(readOptions(['--faults', 'none'])?.faults).toEqual([]);
  expect(readOptions(['--help'])).toBeUndefined();
});

test.each([
  [['--faults', 'kill-everything']],
  [['--seconds', 'soon']],
  [['--seed', '-1']],
  [['--cases', 'some']],
  [['--unknown']],
])('refuses %j', (args) => {
  expect(() => readOptions(args)).toThrow();
});
