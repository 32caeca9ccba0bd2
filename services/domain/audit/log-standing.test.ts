import { expect, test } from 'vitest';
import { type LogHead, logStanding } from './log-standing.ts';

const origin = 'a.example/log';
const mark = { origin, size: 10, root: 'ten' };
const head = (size: number, root: string, closedOrigins: LogHead['closedOrigins'] = []): LogHead => ({
  origin,
  size,
  root,
  closedOrigins,
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
  ['a continued log takes the place of the lost one', head(1, 'one', [lost.origin]), lost, neverAsked, 'swap'],
  ['on every host, however far its mark was', head(1, 'one', [lost.origin]), { ...lost, size: 3 }, neverAsked, 'swap'],
  ['but of none that is still open elsewhere', head(1, 'one', ['x']), lost, neverAsked, 'database_behind'],
  ['and is itself checked from then on', head(12, 'twelve', [lost.origin]), mark, rootIs('ten'), 'swap'],
  ['against going back', head(9, 'nine', [lost.origin]), mark, neverAsked, 'database_behind'],
])('%s', async (_title, log, held, rootAt, standing) => {
  expect(await logStanding(log, held, rootAt)).toBe(standing);
});
