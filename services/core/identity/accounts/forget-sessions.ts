import type { Tx } from '#services/core/ports.ts';
import type { Auth } from '../sessions/auth.ts';
import { readSessionTokens } from '../users/users.store.ts';

/** Drops the user's cached sessions after the commit, so that no stale one is served. */
export async function forgetSessions(
  tx: Tx,
  { auth }: { readonly auth: Pick<Auth, 'forget'> },
  userId: string,
): Promise<void> {
  const tokens = await readSessionTokens(tx, userId);
  tx.afterCommit(async () => {
    await Promise.all(tokens.map((token) => auth.forget(token)));
  });
}
