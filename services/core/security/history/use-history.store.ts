import {
  actorIdOf,
  clientIdOf,
  memberOf,
  newestEventsOf,
  targetIdOf,
  textOf,
} from '#services/core/audit/committed-values.ts';
import type { Sql } from '#services/core/ports.ts';
import { defineStatement } from '#services/platform/define/statement.ts';
import type { AgentUse } from './agent-anomaly.ts';
import { type LogRange, msOf } from './log-range.ts';

/**
 * Uses of refresh tokens that left the family with the same token or repeated one, with the uses of the family before.
 * Scans audit_events_type over the range, then audit_events_target backwards from each. A family whose tokens rotate
 * ends when two parties use them (`refresh_token_reuse`), so rotations are only compared with.
 */
const repeatedUsesRead = defineStatement('detectionRepeatedUsesRead')`
  SELECT e.seq, ${msOf('e.occurred_at')} AS at, e.outcome, e.target_id AS family_id, ${clientIdOf('e')} AS client_id,
    ${textOf('e', 'user_id')} AS user_id, ip.value AS network, agent.value AS agent, earlier.rows AS earlier
  FROM audit_events e
    LEFT JOIN audit_personal ip ON ip.event_id = e.event_id AND ip.field = 'ip_hash'
    LEFT JOIN audit_personal agent ON agent.event_id = e.event_id AND agent.field = 'agent_hash',
    LATERAL (
      SELECT coalesce(jsonb_agg(jsonb_build_object('at', ${msOf('b.occurred_at')}, 'outcome', b.outcome,
        'network', bi.value, 'agent', ba.value) ORDER BY b.seq DESC), '[]') AS rows
      FROM (SELECT seq, event_id, occurred_at, outcome FROM audit_events
            WHERE target_id = e.target_id AND seq < e.seq AND type = 'token.refreshed'
            ORDER BY seq DESC LIMIT 20) b
        LEFT JOIN audit_personal bi ON bi.event_id = b.event_id AND bi.field = 'ip_hash'
        LEFT JOIN audit_personal ba ON ba.event_id = b.event_id AND ba.field = 'agent_hash') earlier
  WHERE e.type = 'token.refreshed' AND e.seq > $1 AND e.seq <= $2 AND e.outcome IN ('kept', 'grace', 'lost_answer')
  ORDER BY e.seq`;

/** Families of other users at this client that were refreshed from this address at least an hour before, of its last 500. */
const clientNetworkUsersCount = defineStatement('detectionClientNetworkUsersCount')`
  SELECT count(DISTINCT ${textOf('e', 'user_id')})::int AS users
  FROM (${newestEventsOf({
    column: 'client_id',
    id: '$1::text',
    value: '$1::text',
    before: '$2',
    where: `of.type = 'token.refreshed'`,
    limit: 500,
  })}) e
    JOIN audit_personal ip ON ip.event_id = e.event_id AND ip.field = 'ip_hash' AND ip.value = $3
  WHERE e.occurred_at < to_timestamp($4::float8 / 1000) - interval '1 hour' AND ${textOf('e', 'user_id')} <> $5`;

type RepeatedUseRow = {
  readonly seq: number;
  readonly at: number;
  readonly outcome: string;
  readonly family_id: string;
  readonly client_id: string | null;
  readonly user_id: string | null;
  readonly network: string | null;
  readonly agent: string | null;
  /** Newest first. */
  readonly earlier: readonly {
    readonly at: number;
    readonly outcome: string;
    readonly network: string | null;
    readonly agent: string | null;
  }[];
};

export const readRepeatedUses = (sql: Sql, { after, upTo }: LogRange): Promise<RepeatedUseRow[]> =>
  sql.query(repeatedUsesRead, [after, upTo]);

export async function countClientNetworkUsers(
  sql: Sql,
  {
    client_id: clientId,
    seq,
    network,
    at,
    user_id: userId,
  }: Pick<RepeatedUseRow, 'client_id' | 'seq' | 'network' | 'at' | 'user_id'>,
): Promise<number> {
  const [row] = await sql.query<{ users: number }>(clientNetworkUsersCount, [clientId, seq, network, at, userId]);
  return row?.users ?? 0;
}

/**
 * Actors whose changes gave rights in the range, with what they changed in the ten minutes until their last. Scans
 * audit_events_type over the range, then audit_events_actor backwards.
 */
const privilegeChangesRead = defineStatement('detectionPrivilegeChangesRead')`
  WITH strong AS MATERIALIZED (
    SELECT role FROM role_permissions WHERE permission = ANY ($3::text[]) GROUP BY role
  ), newest AS (
    SELECT e.actor_kind, e.actor_id, max(e.seq) AS seq, max(e.occurred_at) AS occurred_at
    FROM unnest($4::text[]) AS wanted, LATERAL (
      SELECT a.seq, a.occurred_at, a.actor_kind, ${actorIdOf('a')} AS actor_id FROM audit_events a
      WHERE a.type = wanted AND a.seq > $1 AND a.seq <= $2) e
    WHERE e.actor_kind IN ('user', 'client', 'agent') AND e.actor_id IS NOT NULL GROUP BY 1, 2
  )
  SELECT newest.actor_kind, newest.actor_id, newest.seq, changes.rows AS changes
  FROM newest, LATERAL (
    SELECT jsonb_agg(jsonb_build_object('at', ${msOf('c.occurred_at')}, 'type', c.type, 'subject', ${targetIdOf('c')},
      'isStrong', CASE c.type
        WHEN 'user.role_granted' THEN ${memberOf('c', 'role')} #>> '{}' IN (SELECT role FROM strong)
        WHEN 'role.changed' THEN coalesce(${memberOf('c', 'added')} ?| $3::text[], false)
        WHEN 'api_key.created' THEN coalesce(${memberOf('c', 'permissions')} ?| $3::text[], false)
        WHEN 'client.changed' THEN coalesce(${memberOf('c', 'columns')} ? 'scopes', false)
        ELSE false END) ORDER BY c.seq) AS rows
    FROM (${newestEventsOf({
      column: 'actor_id',
      id: 'newest.actor_id',
      value: 'newest.actor_id',
      before: 'newest.seq + 1',
      where: 'true',
      limit: 400,
    })}) c
    WHERE c.type = ANY ($4::text[]) AND c.occurred_at > newest.occurred_at - interval '10 minutes') changes
  WHERE changes.rows IS NOT NULL`;

type PrivilegeChangesRow = {
  readonly seq: number;
  readonly actor_kind: string;
  readonly actor_id: string;
  /** Oldest first. */
  readonly changes: readonly {
    readonly at: number;
    readonly type: string;
    readonly isStrong: boolean;
    readonly subject: string | null;
  }[];
};

export const readPrivilegeChanges = (
  sql: Sql,
  { after, upTo }: LogRange,
  { strongPermissions, types }: { readonly strongPermissions: readonly string[]; readonly types: readonly string[] },
): Promise<PrivilegeChangesRow[]> => sql.query(privilegeChangesRead, [after, upTo, strongPermissions, types]);

/**
 * Agents with an event in the range: what they did in the ten minutes until their last, and before. Scans the primary key
 * over the range, then audit_events_client backwards, at most 2,000 events of an agent. Only agents with five acts in those
 * ten minutes are compared: every pair of signals needs as many. A kind is a scope, an operation or a type.
 */
const agentUsesRead = defineStatement('detectionAgentUsesRead')`
  WITH met AS (
    SELECT e.client_id, max(e.seq) AS seq, max(e.occurred_at) AS occurred_at
    FROM audit_events e JOIN agents a ON a.client_id = e.client_id
    WHERE e.seq > $1 AND e.seq <= $2 GROUP BY 1
  ), newest AS MATERIALIZED (
    SELECT * FROM met
    WHERE (SELECT f.occurred_at FROM audit_events f WHERE f.client_id = met.client_id AND f.seq <= met.seq
           ORDER BY f.seq DESC OFFSET 4 LIMIT 1) > met.occurred_at - interval '10 minutes'
  )
  SELECT newest.client_id AS agent_id, newest.seq, used.*
  FROM newest, LATERAL (
    WITH acts AS (
      SELECT a.occurred_at, a.outcome,
        string_to_array(coalesce(${memberOf('a', 'scope')} #>> '{}', ${memberOf('a', 'operation')} #>> '{}',
          ${memberOf('a', 'reason')} #>> '{}', a.type), ' ') AS kinds,
        a.occurred_at > newest.occurred_at - interval '10 minutes' AS is_now
      FROM (SELECT event_id, occurred_at, outcome, type, detail FROM audit_events
            WHERE client_id = newest.client_id AND seq <= newest.seq ORDER BY seq DESC LIMIT 2000) a
      WHERE a.occurred_at > newest.occurred_at - interval '14 days'
    ), spans AS (
      SELECT count(*) AS acts FROM acts WHERE NOT is_now GROUP BY floor(extract(epoch FROM occurred_at) / 600)
    )
    SELECT jsonb_build_object('acts', count(*) FILTER (WHERE is_now),
        'refused', count(*) FILTER (WHERE is_now AND outcome = 'refused'),
        'kinds', (SELECT coalesce(jsonb_agg(DISTINCT kind), '[]') FROM acts n, unnest(n.kinds) kind WHERE n.is_now),
        'hours', coalesce(jsonb_agg(DISTINCT extract(hour FROM occurred_at AT TIME ZONE 'UTC')) FILTER (WHERE is_now), '[]')) AS now,
      jsonb_build_object('acts', count(*) FILTER (WHERE NOT is_now),
        'refused', count(*) FILTER (WHERE NOT is_now AND outcome = 'refused'),
        'days', count(DISTINCT (occurred_at AT TIME ZONE 'UTC')::date) FILTER (WHERE NOT is_now),
        'busiest', (SELECT coalesce(max(s.acts), 0) FROM spans s),
        'kinds', (SELECT coalesce(jsonb_agg(DISTINCT kind), '[]') FROM acts n, unnest(n.kinds) kind WHERE NOT n.is_now),
        'hours', coalesce(jsonb_agg(DISTINCT extract(hour FROM occurred_at AT TIME ZONE 'UTC')) FILTER (WHERE NOT is_now), '[]')) AS past
    FROM acts) used
  ORDER BY newest.seq`;

type AgentUseRow = AgentUse & { readonly seq: number; readonly agent_id: string };

export const readAgentUses = (sql: Sql, { after, upTo }: LogRange): Promise<AgentUseRow[]> =>
  sql.query(agentUsesRead, [after, upTo]);
