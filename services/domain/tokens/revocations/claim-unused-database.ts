import type { Ports } from '#services/domain/ports.ts';
import { isDatabaseUnused, readFeed } from './revocations.store.ts';
import { higherMarks, standingOf } from './state-poll-high-water.ts';

/**
 * Moves the high-water mark to a database that has never issued a token, whatever it named before: such a database has
 * nothing to revive, so it cannot be rewound. Call it before the first key is created.
 * @returns false where the database has a history; the poll judges it then
 */
export async function claimUnusedDatabase(ports: Pick<Ports, 'sql' | 'marks'>): Promise<boolean> {
  if (!(await isDatabaseUnused(ports.sql))) return false;
  const { incarnation, epoch: revocationEpoch, beat, replaced } = await readFeed(ports.sql, 0);
  const held = await ports.marks.read();
  const shown = { incarnation, revocationEpoch, beat };
  if (standingOf({ ...shown, replaced }, held) === 'current') return true;
  if (held?.incarnation === incarnation) return false;
  await ports.marks.raise(higherMarks(null, shown), held ? [held.incarnation] : []);
  return true;
}
