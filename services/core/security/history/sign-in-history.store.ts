import { newestEventsOf, targetIdOf } from '#services/core/audit/committed-values.ts';
import type { Sql } from '#services/core/ports.ts';
import { defineStatement } from '#services/platform/define/statement.ts';
import { type LogRange, msOf } from './log-range.ts';
import type { SignUp } from './machine-sign-ups.ts';

/** Earlier sign-ins that one is compared with. */
const COMPARED = 30;

/**
 * Sign-ins from unknown devices in a known country, with the sign-ins of the user before. Scans audit_events_type over the
 * range, then audit_events_target backwards from each.
 */
const placedSignInsRead = defineStatement('detectionPlacedSignInsRead')`
  SELECT e.seq, ${msOf('e.occurred_at')} AS at, e.occurred_at, who.id AS user_id, e.detail,
    place.value AS country, agent.value AS agent, ip.value AS network, earlier.rows AS earlier
  FROM audit_events e
    JOIN audit_personal place ON place.event_id = e.event_id AND place.field = 'detail.country'
    LEFT JOIN audit_personal agent ON agent.event_id = e.event_id AND agent.field = 'agent_hash'
    LEFT JOIN audit_personal ip ON ip.event_id = e.event_id AND ip.field = 'ip_hash',
    LATERAL (SELECT ${targetIdOf('e')} AS id) who,
    LATERAL (
      SELECT coalesce(jsonb_agg(jsonb_build_object('at', ${msOf('b.occurred_at')}, 'country', bp.value, 'agent', ba.value)
        ORDER BY b.seq DESC), '[]') AS rows
      FROM (${newestEventsOf({
        column: 'target_id',
        id: 'who.id',
        value: `'user:' || who.id`,
        before: 'e.seq',
        where: `of.type = 'user.login' AND of.outcome = 'ok'`,
        limit: COMPARED,
      })}) b
        LEFT JOIN audit_personal bp ON bp.event_id = b.event_id AND bp.field = 'detail.country'
        LEFT JOIN audit_personal ba ON ba.event_id = b.event_id AND ba.field = 'agent_hash') earlier
  WHERE e.type = 'user.login' AND e.seq > $1 AND e.seq <= $2 AND e.outcome = 'ok'
    AND e.detail -> 'is_placed' = 'true' AND e.detail -> 'known_device' = 'false'
  ORDER BY e.seq`;

/** Other users who signed in from this address on known devices, of its last 200 sign-ins; uses audit_personal_place. */
const networkUsersCount = defineStatement('detectionNetworkUsersCount')`
  SELECT count(DISTINCT ${targetIdOf('e')})::int AS users
  FROM (SELECT seq FROM audit_personal WHERE field = 'ip_hash' AND value = $1 AND seq IS NOT NULL AND seq < $2
        ORDER BY seq DESC LIMIT 200) near JOIN audit_events e ON e.seq = near.seq
  WHERE e.type = 'user.login' AND e.outcome = 'ok' AND ${targetIdOf('e')} <> $3 AND e.detail -> 'known_device' = 'true'`;

type PlacedSignInRow = {
  readonly seq: number;
  readonly at: number;
  readonly occurred_at: string;
  readonly user_id: string;
  readonly detail: Readonly<Record<string, unknown>>;
  readonly country: string;
  readonly agent: string | null;
  readonly network: string | null;
  /** Newest first. */
  readonly earlier: readonly { readonly at: number; readonly country: string | null; readonly agent: string | null }[];
};

export const readPlacedSignIns = (sql: Sql, { after, upTo }: LogRange): Promise<PlacedSignInRow[]> =>
  sql.query(placedSignInsRead, [after, upTo]);

export async function countNetworkUsers(
  sql: Sql,
  { network, seq, userId }: { readonly network: string; readonly seq: number; readonly userId: string },
): Promise<number> {
  const [row] = await sql.query<{ users: number }>(networkUsersCount, [network, seq, userId]);
  return row?.users ?? 0;
}

/** Accounts made by sign-up in the range and the half hour before it; scans audit_events_type backwards. */
const signUpsRead = defineStatement('detectionSignUpsRead')`
  SELECT e.seq, ${msOf('e.occurred_at')} AS at, ip.value AS network, agent.value AS agent,
    regexp_replace(split_part(split_part(u.email, '@', 1), '+', 1), '[0-9]+', '#', 'g') || '@' || split_part(u.email, '@', 2) AS pattern,
    coalesce(u.email ~ '[0-9][^@]*@|[+]', false) AS has_digits, ${msOf('u."emailVerified"')} AS verified_at
  FROM (SELECT seq, event_id, occurred_at, target_id FROM audit_events
        WHERE type = 'user.created' AND seq <= $2 AND actor_kind = 'anonymous' ORDER BY seq DESC LIMIT $3) e
    LEFT JOIN audit_personal ip ON ip.event_id = e.event_id AND ip.field = 'ip_hash'
    LEFT JOIN audit_personal agent ON agent.event_id = e.event_id AND agent.field = 'agent_hash'
    LEFT JOIN users u ON u.id = e.target_id
  WHERE EXISTS (SELECT FROM audit_events n WHERE n.type = 'user.created' AND n.seq > $1 AND n.seq <= $2)
  ORDER BY e.seq`;

export const readSignUps = (sql: Sql, { after, upTo }: LogRange, limit: number): Promise<SignUp[]> =>
  sql.query(signUpsRead, [after, upTo, limit]);
