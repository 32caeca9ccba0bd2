import type { z } from 'zod';
import type { Sql } from '#services/core/ports.ts';
import { definePurge } from '#services/core/shared/purge.store.ts';
import { defineStatement } from '#services/platform/define/statement.ts';
import type { tokenStatistics } from '../contract.ts';

export type TokenStatistics = z.output<typeof tokenStatistics>;

/** Counts of rows. Purged families are added to token_totals, where single tokens are counted at once. */
const COUNTED_FAMILIES = `count(*) AS issued, coalesce(sum(generation), 0) AS refreshed,
     count(*) FILTER (WHERE revoked_at IS NOT NULL AND revoke_reason NOT IN ('refresh_token_reused', 'superseded')) AS revoked,
     count(*) FILTER (WHERE revoked_at IS NULL AND now() >= least(expires_at, idle_expires_at)) AS expired,
     count(*) FILTER (WHERE revoke_reason = 'refresh_token_reused') AS replays`;

// One snapshot. It scans all families: figures for operators, not for a request path.
const tokenStatisticsRead = defineStatement(
  'tokenStatisticsRead',
  `WITH families AS (
     SELECT ${COUNTED_FAMILIES},
       count(*) FILTER (WHERE revoked_at IS NULL AND now() < least(expires_at, idle_expires_at)) AS active
     FROM refresh_families
   ), totals AS (
     SELECT sum(issued) AS issued, sum(refreshed) AS refreshed, sum(revoked) AS revoked, sum(expired) AS expired,
       sum(replays) AS replays
     FROM token_totals
   )
   SELECT (f.issued + t.issued)::bigint AS issued, f.active, (f.refreshed + t.refreshed)::bigint AS refreshed,
     (f.revoked + t.revoked)::bigint AS revoked, (f.expired + t.expired)::bigint AS expired,
     (f.replays + t.replays)::bigint AS replays
   FROM families f, totals t`,
);

/** Counts since installation, from one snapshot. */
export async function countTokens(sql: Sql): Promise<TokenStatistics> {
  const [row] = await sql.query<TokenStatistics>(tokenStatisticsRead);
  return row!;
}

/**
 * Expired families; their counts stay. Index: refresh_families_expires_at. A day after the absolute expiry no access
 * token of the family is valid. Until then a late refresh gets the reason why it is rejected. A
 * family whose session has not expired stays: by it the trigger `session_ended` finds the clients of the session.
 */
export const familyPurge = definePurge({
  kind: 'families',
  table: 'refresh_families',
  ends: 'expires_at',
  stays: `interval '1 day'`,
  // A scalar subquery, so that the plan looks sessions up by key and never reads all of them.
  where: `coalesce((SELECT s."expiresAt" FROM sessions s WHERE s.id = refresh_families.sid) <= now(), true)`,
  also: `, counted AS (SELECT ${COUNTED_FAMILIES} FROM gone
     ), kept AS (
       UPDATE token_totals t SET issued = t.issued + c.issued, refreshed = t.refreshed + c.refreshed,
         revoked = t.revoked + c.revoked, expired = t.expired + c.expired, replays = t.replays + c.replays
       FROM counted c WHERE t.slot = 0
     )`,
});
