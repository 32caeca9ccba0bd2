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
  ['a first start has no mark', head(0, 'empty'), null, { ...nothing, isForged: async () => false }, 'swap'],
  ['without a mark a forged continuation is seen', head(0, 'empty'), null, forged, 'log_forged_continuation'],
  ['the mark is where the log is', head(10, 'ten'), mark, nothing, 'current'],
  ['a run ended between leaves and mark', head(12, 'twelve'), mark, rootIs('ten'), 'swap'],
  ['a restored backup has fewer leaves', head(9, 'nine'), mark, nothing, 'database_behind'],
  ['as many leaves, and others', head(10, 'other'), mark, nothing, 'forked'],
  ['more leaves, and others below the mark', head(12, 'twelve'), mark, rootIs('other'), 'forked'],
  ['a backup from before the log was continued', head(500, 'x'), lost, found('behind'), 'database_behind'],
  ['a log before this one has other leaves than the mark', head(1, 'one'), lost, found('beside'), 'forked'],
  ['a log in place of the one of the mark moves it never', head(1, 'one'), lost, found('lost'), 'continued_elsewhere'],
  ['nor where nothing of it is lost', head(1, 'one'), lost, found('held'), 'continued_elsewhere'],
  ['nor one that does not say what it continues', head(1, 'one'), lost, forged, 'log_forged_continuation'],
])('%s', async (_title, log, held, history, standing) => {
  expect(await logStatus(log, held, history)).toBe(standing);
});
