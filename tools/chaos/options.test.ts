import { expect, test } from 'vitest';
import { exclusionOf, readOptions, rewindsOf } from './options.ts';

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
])('refuses %j', (args) => expect(() => readOptions(args)).toThrow());

test('an older database ends every run, and standbys that lag end a long one', () => {
  expect(rewindsOf({ faults: undefined, seconds: 10, hasCluster: false })).toEqual(['older-database']);
  expect(rewindsOf({ faults: undefined, seconds: 600, hasCluster: false })).toHaveLength(3);
  expect(rewindsOf({ faults: ['kill-api', 'lagging-standby'], seconds: 600, hasCluster: false })).toEqual([
    'lagging-standby',
  ]);
  expect(rewindsOf({ faults: [], seconds: 600, hasCluster: false })).toEqual([]);
});

test.each([
  ['answers of an older database', ['kill-api'], '--faults'],
  ['answers of an older database', undefined, undefined],
  ['recovery after every fault', [], '--faults'],
  ['recovery after every fault', ['kill-api'], undefined],
  ['wrong accepts', [], undefined],
])('only options chosen by name excuse %s without facts', (gate, faults, excludedBy) => {
  expect(exclusionOf(gate, { faults, seconds: 10, hasCluster: false }).excludedBy).toBe(excludedBy);
});
