import { expect, test } from 'vitest';
import { type DashboardAnswer, violationOfUncounted, violationOfUnread } from './gates-dashboard.ts';

const SINCE = 1_000_000;
const shown: DashboardAnswer = {
  copy: 'A',
  status: 200,
  state: 'fresh',
  countedAtMs: SINCE - 5_000,
  readAtMs: SINCE + 5_000,
};
const refused: DashboardAnswer = { copy: 'B', status: 503, state: null, countedAtMs: null, readAtMs: null };

test('figures of before that say so violate nothing, fresh or stale', () => {
  expect(violationOfUncounted([shown, { ...shown, state: 'stale', readAtMs: SINCE + 60_000 }], SINCE)).toBeUndefined();
});

test.each<readonly [string, Partial<DashboardAnswer>]>([
  ['figures of a time at which nothing was counted', { countedAtMs: SINCE + 1 }],
  ['old figures that are called fresh', { readAtMs: SINCE + 60_000 }],
  ['an error', { status: 500 }],
  ['figures that were counted and are missing', { countedAtMs: null, state: 'missing' }],
])('finds %s', (_what, changes) => {
  expect(violationOfUncounted([shown, { ...shown, ...changes }], SINCE)).toMatch(/^the dashboard of A hides its age/);
});

test('refusals without a database violate nothing, nor does a request without an answer', () => {
  expect(violationOfUnread([refused, { ...refused, status: 0 }])).toBeUndefined();
});

test.each([200, 500])('finds an answer %i without a database', (status) => {
  expect(violationOfUnread([refused, { ...refused, status }])).toMatch(/^B answered without its database/);
});

test('no answer shows nothing', () => {
  expect(violationOfUncounted([], SINCE)).toMatch(/^no dashboard was asked for/);
  expect(violationOfUnread([])).toMatch(/^no dashboard was refused/);
});
