import type { Ports } from '#services/domain/ports.ts';
import { isDatabaseUnused, readFeed } from './revocations.store.ts';
import { databaseStatus, higherMarks } from './state-poll-high-water.ts';

/**
 * Moves the high-water mark to a database that has never issued a token, even if the mark belongs to another database:
 * an unused database has no token that could become valid again. Call it before the first key is created.
 * @returns false when the database has been used; the state poll then compares it with the mark
 */
export async function claimUnusedDatabase(ports: Pick<Ports, 'sql' | 'marks'>): Promise<boolean> {
  if (!(await isDatabaseUnused(ports.sql))) return false;
  const { incarnation, epoch: revocationEpoch, beat, replaced } = await readFeed(ports.sql, 0);
  const stored = await ports.marks.read();
  const shown = { incarnation, revocationEpoch, beat };
  if (databaseStatus({ ...shown, replaced }, stored) === 'current') return true;
  if (stored?.incarnation === incarnation) return false;
  await ports.marks.raise(higherMarks(null, shown), stored ? [stored.incarnation] : []);
  return true;
}
