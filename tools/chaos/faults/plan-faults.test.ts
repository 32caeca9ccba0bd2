import { expect, test } from 'vitest';
import { createRandom } from '../random.ts';
import { allFaults, planFaults } from './all.ts';

const names = (seed: number, count: number): string[] =>
  planFaults(allFaults, createRandom(seed), count).map(({ fault, copy }) => `${fault.name} ${copy}`);

test('the same seed plans the same faults, another one others', () => {
  expect(names(7, 40)).toEqual(names(7, 40));
  expect(names(7, 40)).not.toEqual(names(8, 40));
});

test('every fault comes once before any comes twice', () => {
  const planned = planFaults(allFaults, createRandom(1), allFaults.length).map(({ fault }) => fault);
  expect(new Set(planned).size).toBe(allFaults.length);
  expect(planFaults(allFaults, createRandom(1), 3)).toHaveLength(3);
});
