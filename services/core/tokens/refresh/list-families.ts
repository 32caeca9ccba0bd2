import type { Ports } from '#services/core/ports.ts';
import {
  type FamilyFilter,
  type FamilyReach,
  type LiveFamilyRow,
  readFamilyCount,
  readFamilyReach,
  readLiveFamilies,
} from './family-status.store.ts';

export { readLiveFamily } from './family-status.store.ts';
export type LiveFamily = LiveFamilyRow;

/** Lists the live families of sessions, by session: which clients have tokens, and since when. */
export async function familiesOfSessions(
  { sql }: Pick<Ports, 'sql'>,
  sessionIds: readonly string[],
): Promise<ReadonlyMap<string, readonly LiveFamily[]>> {
  if (sessionIds.length === 0) return new Map();
  return Map.groupBy(await readLiveFamilies(sql, sessionIds), (row) => row.session_id);
}

/** Counts the live families of a user, with or without a session. */
export const countFamilies = ({ sql }: Pick<Ports, 'sql'>, userId: string): Promise<number> =>
  readFamilyCount(sql, userId);

/** Counts the live families of a user, a client or a session, and what they belong to, up to a limit. */
export const countReach = ({ sql }: Pick<Ports, 'sql'>, filter: FamilyFilter, limit: number): Promise<FamilyReach> =>
  readFamilyReach(sql, filter, limit);
