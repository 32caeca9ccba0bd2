import type { Sql } from '#services/core/ports.ts';
import { placeTime } from '#services/core/shared/pagination.ts';
import { defineStatement } from '#services/platform/define/statement.ts';

/** Sessions that were exchanged since, also those that were before; not those that only ended. Index: legacy_sessions_touched_at. */
const bridgedCount = defineStatement('moveBridgedCount')`
  SELECT l.provider, count(DISTINCT s.id)::int AS sessions, ${placeTime('max(s.touched_at)')} AS last_at
  FROM legacy_sessions s JOIN legacy_users l ON l.user_id = s.user_id
  WHERE s.touched_at >= $1::timestamptz AND s.session_id IS NOT NULL
    AND (s.ended_at IS NULL OR s.created_at >= $1::timestamptz) AND ($2::text IS NULL OR l.provider = $2)
  GROUP BY l.provider`;
/** Reads every imported user: for a command. Indexes: accounts_user_id, passkeys_user_id. */
const withoutCredentialCount = defineStatement('moveWithoutCredentialCount')`
  SELECT l.provider, count(DISTINCT l.user_id)::int AS users FROM legacy_users l
  WHERE l.user_id IS NOT NULL AND NOT l.lazy
    AND NOT EXISTS (SELECT FROM accounts a WHERE a."userId" = l.user_id
      AND (a.password IS NOT NULL OR a."providerId" <> 'credential'))
    AND NOT EXISTS (SELECT FROM passkeys p WHERE p."userId" = l.user_id)
  GROUP BY l.provider`;
const importsOfKinds = defineStatement('moveImportsRead')`
  SELECT kind, count(*) FILTER (WHERE finished_at IS NULL)::int AS open,
    (array_agg(json_build_object('import_id', id, 'rejected', rejected_count, 'finished_at', ${placeTime('finished_at')})
      ORDER BY finished_at DESC) FILTER (WHERE state = 'done'))[1] AS last
  FROM imports GROUP BY kind`;

type BridgedRow = { readonly provider: string; readonly sessions: number; readonly last_at: string };
/** @param provider the system of the bridge; null: of all */
export const countBridged = (sql: Sql, since: Date, provider: string | null): Promise<BridgedRow[]> =>
  sql.query<BridgedRow>(bridgedCount, [since, provider]);

type WithoutRow = { readonly provider: string; readonly users: number };
export const countWithoutCredential = (sql: Sql): Promise<WithoutRow[]> =>
  sql.query<WithoutRow>(withoutCredentialCount);

type KindRow = {
  readonly kind: string;
  readonly open: number;
  readonly last: { readonly import_id: string; readonly rejected: number; readonly finished_at: string } | null;
};
export const readImportsOfKinds = (sql: Sql): Promise<KindRow[]> => sql.query<KindRow>(importsOfKinds);
