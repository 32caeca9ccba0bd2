import { expect, test } from 'vitest';
import type { HeadFound } from './log-continuations.ts';
import { logStatus } from './log-status.ts';

const origin = 'a.example/log';
const mark = { origin, size: 10, root: 'ten' };
const head = (size: number, root: string) => ({ origin, size, root });
const lost = { origin: 'a.example/lost', size: 99, root: 'lost' };
const neverAsked = (): Promise<never> => Promise.reject(new Error('asked'));
const nothing = { rootAt: neverAsked, isForged: neverAsked, find: neverAsked };
const rootIs = (root: string) => ({
  ...nothing,
  rootAt: async (size: number) => (size === 10 ? root : 'another size'),
});
const found = (how: HeadFound) => ({ ...nothing, isForged: async () => false, find: async () => how });
const forged = { ...nothing, isForged: async () => true };

test.each([
  ['a first start without a mark', head(0, 'empty'), null, { ...nothing, isForged: async () => false }, 'swap'],
  ['a forged continuation, without a mark', head(0, 'empty'), null, forged, 'log_forged_continuation'],
  ['a mark equal to the log', head(10, 'ten'), mark, nothing, 'current'],
  ['a run that ended between committing leaves and moving the mark', head(12, 'twelve'), mark, rootIs('ten'), 'swap'],
  ['a restored backup with fewer leaves', head(9, 'nine'), mark, nothing, 'database_behind'],
  ['the same number of leaves with another root', head(10, 'other'), mark, nothing, 'forked'],
  ['more leaves, with another root at the size of the mark', head(12, 'twelve'), mark, rootIs('other'), 'forked'],
  ['a backup from before the log was continued', head(500, 'x'), lost, found('behind'), 'database_behind'],
  ['an earlier log with other leaves than the mark', head(1, 'one'), lost, found('forked'), 'forked'],
  [
    'another log that continues the one of the mark, after a loss',
    head(1, 'one'),
    lost,
    found('accepted_loss'),
    'continued_elsewhere',
  ],
  [
    'another log that continues the one of the mark, without a loss',
    head(1, 'one'),
    lost,
    found('present'),
    'continued_elsewhere',
  ],
  ['another log that does not state what it continues', head(1, 'one'), lost, forged, 'log_forged_continuation'],
])('%s', async (_title, log, highWaterMark, history, status) => {
  expect(await logStatus(log, highWaterMark, history)).toBe(status);
});
