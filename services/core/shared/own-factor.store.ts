import { defineStatement } from '#services/platform/define/statement.ts';
import type { Sql } from '../ports.ts';

/** Index: two_factors' unique user, passkeys_user_id, the primary key of sessions. */
const ownFactorLack = defineStatement('ownFactorLack')`
  SELECT 1 FROM users u WHERE u.id = $1 AND user_needs_factor(u.id)
    AND NOT EXISTS (SELECT FROM sessions s WHERE s.id = $2 AND s."userId" = u.id AND s.acr = 'aal2')`;

/** Whether the account has or owes a second factor that this session (null: none) did not verify. */
export const lacksFactor = async (sql: Sql, userId: string, sessionId: string | null): Promise<boolean> =>
  (await sql.query(ownFactorLack, [userId, sessionId])).length > 0;
