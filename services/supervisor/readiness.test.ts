import { expect, test } from 'vitest';
import { openedEach } from '#tools/testing/opened.ts';
import { createReadiness } from './readiness.ts';

const readiness = openedEach(createReadiness);

const up = { name: 'api-1', isReady: true, failures: 0 };
const down = { name: 'worker-1', isReady: false, failures: 1 };

test('a start without a child, or with one that is not ready, is not ready', () => {
  for (const children of [[], [down], [up, down]])
    expect(readiness.look(children)).toMatchObject({ isReady: false, isNews: false });
  expect(readiness.wasReached()).toBe(false);
});

test('readiness of all children is reported once, and again after one was not ready', () => {
  expect(readiness.look([up, up])).toMatchObject({ isReady: true, isNews: true });
  expect(readiness.look([up, up])).toMatchObject({ isReady: true, isNews: false });
  expect(readiness.look([up, down])).toMatchObject({ isReady: false, isNews: false });
  expect(readiness.wasReached()).toBe(true);
  expect(readiness.look([up, up])).toMatchObject({ isReady: true, isNews: true });
});

test('five crashes before all were ready end the start; after that no number does', () => {
  const crashing = (failures: number) => ({ ...down, failures });
  expect(readiness.look([up, crashing(4)]).hopeless).toBeUndefined();
  expect(readiness.look([up, crashing(5)]).hopeless).toEqual(crashing(5));
  readiness.look([up]);
  expect(readiness.look([up, crashing(50)]).hopeless).toBeUndefined();
});
