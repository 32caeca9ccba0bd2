import { userOf } from '../authority/callers.ts';
import { hasTwoFactors, strongerSignInRequired } from '../authority/recent-sign-in.ts';
import type { Caller, Sql } from '../ports.ts';
import { lacksFactor } from './own-factor.store.ts';

/**
 * A user who has a second factor needs it for what `stepUp` protects: a stolen session of one factor must not get another
 * credential. Judged by the rows, because a sign-in does not know which factors the account has now. Throws
 * `step_up_required` (403). The route asks for every operation with `stepUp`; what changes a credential asks again with
 * the user locked.
 */
export async function assertOwnFactor(sql: Sql, caller: Caller): Promise<void> {
  const user = userOf(caller);
  if (user === null || (user.sessionId === null && hasTwoFactors(user))) return;
  if (await lacksFactor(sql, user.userId, user.sessionId)) throw strongerSignInRequired();
}
