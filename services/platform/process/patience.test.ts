import { afterEach, expect, test, vi } from 'vitest';
import { patient, TEST_FOLDER, TEST_PATIENCE } from './patience.ts';

afterEach(() => void vi.unstubAllEnvs());

test('a deadline is longer in a run of tests, by its factor', () => {
  vi.stubEnv(TEST_FOLDER, '/tmp/run');
  vi.stubEnv(TEST_PATIENCE, '8');
  expect(patient(900)).toBe(7_200);
  vi.stubEnv(TEST_PATIENCE, undefined);
  expect(patient(900)).toBe(900);
});

test('outside of a run of tests a deadline is what is shipped, whatever the factor says', () => {
  vi.stubEnv(TEST_FOLDER, undefined);
  vi.stubEnv(TEST_PATIENCE, '8');
  expect(patient(900)).toBe(900);
});
