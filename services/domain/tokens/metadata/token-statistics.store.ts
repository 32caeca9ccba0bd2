import type { Sql } from '#services/domain/ports.ts';
import { definePurge } from '#services/domain/shared/purge.store.ts';
import { defineStatement } from '#services/platform/define/statement.ts';

export type TokenStatistics = {
  /** Logins begun and tokens issued to clients themselves. */
  readonly issued: number;
  /** Logins that can be refreshed now. */
  readonly active: number;
  /** Rotations. */
  readonly refreshed: number;
  /** Logins and single tokens ended before their time, replays apart. */
  readonly revoked: number;
  /** Logins that ran out. */
  readonly expired: number;
  /** Logins ended because an outdated refresh token came back. */
  readonly replays: number;
};

/** Families as they count; what is cleaned up moves into token_totals, where single tokens are counted at once. */
const COUNTED_FAMILIES = `count(*) AS issued, coalesce(sum(generation), 0) AS refreshed,
     count(*) FILTER (WHERE revoked_at IS NOT NULL AND revoke_reason NOT IN ('refresh_token_reused', 'superseded')) AS revoked,
     count(*) FILTER (WHERE revoked_at IS NULL AND now() >= least(expires_at, idle_expires_at)) AS expired,
     count(*) FILTER (WHERE revoke_reason = 'refresh_token_reused') AS replays`;

// One snapshot. Reads every login once: a figure for operators, not for a request path.
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
 * Expired logins; their count stays. Index: refresh_families_expires_at. A day past the absolute end no access token of
 * the login lives any more, and a late refresh token has still learnt why it is refused.
 */
export const familyPurge = definePurge({
  kind: 'families',
  table: 'refresh_families',
  id: 'id',
  ends: 'expires_at',
  stays: `interval '1 day'`,
  also: `, counted AS (SELECT ${COUNTED_FAMILIES} FROM gone
     ), kept AS (
       UPDATE token_totals t SET issued = t.issued + c.issued, refreshed = t.refreshed + c.refreshed,
         revoked = t.revoked + c.revoked, expired = t.expired + c.expired, replays = t.replays + c.replays
       FROM counted c WHERE t.slot = 0
     )`,
});
