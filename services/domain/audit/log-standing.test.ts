import { expect, test } from 'vitest';
import { type LogHead, logStanding } from './log-standing.ts';

const origin = 'a.example/log';
const mark = { origin, size: 10, root: 'ten' };
const head = (size: number, root: string, previous: LogHead['previous'] = null): LogHead => ({
  origin,
  size,
  root,
  previous,
});
const neverAsked = (): Promise<string> => Promise.reject(new Error('asked'));
const rootIs = (root: string) => async (size: number) => (size === 10 ? root : 'another size');
const lost = { origin: 'a.example/lost', size: 99, root: 'lost' };

test.each([
  ['a first start has no mark', head(0, 'empty'), null, neverAsked, 'swap'],
  ['the mark is where the log is', head(10, 'ten'), mark, neverAsked, 'current'],
  ['a run ended between leaves and mark', head(12, 'twelve'), mark, rootIs('ten'), 'swap'],
  ['a restored backup has fewer leaves', head(9, 'nine'), mark, neverAsked, 'database_behind'],
  ['a backup from before the log was continued', head(500, 'x'), lost, neverAsked, 'database_behind'],
  ['as many leaves, and others', head(10, 'other'), mark, neverAsked, 'forked'],
  ['more leaves, and others below the mark', head(12, 'twelve'), mark, rootIs('other'), 'forked'],
  ['a continued log takes the place of the mark it names', head(1, 'one', lost), lost, neverAsked, 'swap'],
  ['but of no other', head(1, 'one', lost), { ...lost, size: 100 }, neverAsked, 'database_behind'],
  ['and is itself checked from then on', head(12, 'twelve', lost), mark, rootIs('ten'), 'swap'],
])('%s', async (_title, log, held, rootAt, standing) => {
  expect(await logStanding(log, held, rootAt)).toBe(standing);
});
