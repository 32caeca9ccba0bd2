import type { Ports } from '../../ports.ts';
import { type LoginRow, readLiveLogins, readLoginCount } from './family-status.store.ts';

export type Login = LoginRow;

/** The live logins of sessions, by session: which clients have tokens of it, and since when. */
export async function loginsOfSessions(
  { sql }: Pick<Ports, 'sql'>,
  sessionIds: readonly string[],
): Promise<ReadonlyMap<string, readonly Login[]>> {
  if (sessionIds.length === 0) return new Map();
  return Map.groupBy(await readLiveLogins(sql, sessionIds), ({ sessionId }) => sessionId);
}

/** How many live logins a user has, with a session or without. */
export const countLogins = ({ sql }: Pick<Ports, 'sql'>, userId: string): Promise<number> =>
  readLoginCount(sql, userId);
