import type { Sql } from '#services/core/ports.ts';
import { defineFinder } from '#services/core/shared/finder.store.ts';
import { placeTime } from '#services/core/shared/pagination.ts';
import { defineQuestion } from '#services/platform/define/question.ts';
import { defineStatement } from '#services/platform/define/statement.ts';
import type { AgentStatus, LimitSetter } from './agent-shapes.ts';
import type { AgentLimit, AgentView, LimitChange } from './contract.ts';
import { agentsRead } from './permissions.ts';

const STATUS = `CASE WHEN killed_at IS NOT NULL THEN 'killed' WHEN expires_at <= clock_timestamp() THEN 'expired'
  WHEN coalesce(disabled, false) THEN 'disabled'
  WHEN coalesce(last_seen_at, created_at) < clock_timestamp() - make_interval(secs => 3 * heartbeat_seconds) THEN 'silent'
  ELSE 'active' END`;
const AGENT = `client_id AS agent_id, coalesce(name, client_id) AS name, owner_id, ${STATUS} AS status,
  auth_method, scopes,
  credential_scopes, audiences,
  dpop_bound_access_tokens, capabilities, heartbeat_seconds,
  ${placeTime('last_seen_at')} AS last_seen_at, ${placeTime('created_at')} AS created_at,
  ${placeTime('expires_at')} AS expires_at, ${placeTime('killed_at')} AS killed_at`;
const FROM = 'FROM agents JOIN oauth_clients ON "clientId" = client_id';

/** By the primary key: an installation that leaves agents out has few. */
export const agentsLive = defineQuestion(
  'EXISTS (SELECT FROM agents WHERE killed_at IS NULL AND expires_at > clock_timestamp())',
);
/** Locks the owner, so that a loss of a permission is before or after the registration. */
const ownerLock = defineStatement('agentOwnerLock')`
  SELECT user_permissions(id) AS permissions FROM users WHERE id = $1 AND "disabledAt" IS NULL FOR SHARE`;
const agentInsert = defineStatement('agentInsert')`
  INSERT INTO agents (client_id, owner_id, capabilities, heartbeat_seconds, expires_at)
  VALUES ($1, $2, $3, $4, clock_timestamp() + make_interval(days => $5::int))`;
/** By the primary keys. */
const agentRead = defineStatement('agentRead')`
  SELECT ${AGENT} ${FROM} WHERE client_id = $1 AND ($2::text IS NULL OR owner_id = $2)`;
/** By the primary key, or by index agents_owner_id. */
const agentsPage = defineStatement('agentsPage')`
  SELECT ${AGENT} ${FROM} WHERE client_id > $1 AND ($3::text IS NULL OR owner_id = $3)
    AND ($4::text IS NULL OR ${STATUS} = $4) ORDER BY client_id LIMIT $2`;
/**
 * Locks the agent until commit: a second kill is refused. Locks its owner first, as requests of the agent do, so
 * that those which begin later wait behind the kill. By the primary keys.
 */
const agentLock = defineStatement('agentLock')`
  SELECT killed_at IS NOT NULL AS is_killed FROM users JOIN agents ON owner_id = users.id
  WHERE client_id = $1 AND ($2::text IS NULL OR owner_id = $2) FOR NO KEY UPDATE OF users FOR UPDATE OF agents`;
/** Row triggers disable its client, which ends its tokens, and write the events. */
const agentKill = defineStatement('agentKill', 'UPDATE agents SET killed_at = clock_timestamp() WHERE client_id = $1');
const agentSeen = defineStatement('agentSeen')`
  UPDATE agents SET last_seen_at = clock_timestamp(), capabilities = coalesce($2::text[], agents.capabilities)
  FROM (SELECT client_id, capabilities FROM agents WHERE client_id = $1 FOR UPDATE) before
  WHERE agents.client_id = before.client_id AND killed_at IS NULL
  RETURNING agents.capabilities IS DISTINCT FROM before.capabilities AS is_changed`;
/** By the primary key and index signoffs_started. */
const limitsRead = defineStatement('agentLimitsRead')`
  SELECT act, set_by, acts_a_day, amounts_a_day, amount_at, currency_at, acts_today, amounts_today,
    ${placeTime(`(date_trunc('day', at, 'UTC') + interval '1 day')`)} AS resets_at
  FROM (SELECT clock_timestamp() AS at) clock CROSS JOIN LATERAL agent_limits_today($1, at) ORDER BY act, set_by`;
const limitSet = defineStatement('agentLimitSet')`
  INSERT INTO agent_limits (client_id, set_by, act, acts_a_day, amounts_a_day, amount_at, currency_at)
  SELECT $1, $2, $3, $4, given, CASE WHEN given IS NOT NULL THEN $6 END, CASE WHEN given IS NOT NULL THEN $7 END
  FROM (SELECT $5::jsonb AS given) amounts
  ON CONFLICT (client_id, set_by, act) DO UPDATE SET acts_a_day = EXCLUDED.acts_a_day,
    amounts_a_day = EXCLUDED.amounts_a_day, amount_at = EXCLUDED.amount_at, currency_at = EXCLUDED.currency_at`;
const limitDelete = defineStatement('agentLimitDelete')`
  DELETE FROM agent_limits WHERE client_id = $1 AND set_by = $2 AND act = $3`;

/** Permissions of an active user; undefined if there is none with this id. */
export const lockOwner = async (tx: Sql, ownerId: string): Promise<readonly string[] | undefined> =>
  (await tx.query<{ permissions: string[] }>(ownerLock, [ownerId]))[0]?.permissions;

type NewAgent = Readonly<Pick<AgentView, 'agent_id' | 'owner_id' | 'heartbeat_seconds'>> & {
  readonly capabilities: readonly string[];
  readonly expires_in_days: number;
};
export const insertAgent = async (tx: Sql, agent: NewAgent): Promise<void> => {
  await tx.query(agentInsert, [
    agent.agent_id,
    agent.owner_id,
    agent.capabilities,
    agent.heartbeat_seconds,
    agent.expires_in_days,
  ]);
};

/** @param ownerId undefined: any owner */
export const readAgentRow = async (sql: Sql, agentId: string, ownerId?: string): Promise<AgentView | undefined> =>
  (await sql.query<AgentView>(agentRead, [agentId, ownerId ?? null]))[0];

type AgentFilter = { readonly owner_id?: string | undefined; readonly status?: AgentStatus | undefined };
export const readAgentsPage = (
  sql: Sql,
  { owner_id: ownerId, status }: AgentFilter,
  after: string,
  limit: number,
): Promise<AgentView[]> => sql.query<AgentView>(agentsPage, [after, limit, ownerId ?? null, status ?? null]);

export const lockAgent = async (
  tx: Sql,
  agentId: string,
  ownerId?: string,
): Promise<{ readonly is_killed: boolean } | undefined> =>
  (await tx.query<{ is_killed: boolean }>(agentLock, [agentId, ownerId ?? null]))[0];
export const killAgentRow = async (tx: Sql, agentId: string): Promise<void> => {
  await tx.query(agentKill, [agentId]);
};
/** Undefined for a client that is no live agent. */
export const markSeen = async (
  tx: Sql,
  agentId: string,
  capabilities: readonly string[] | undefined,
): Promise<{ readonly is_changed: boolean } | undefined> =>
  (await tx.query<{ is_changed: boolean }>(agentSeen, [agentId, capabilities ?? null]))[0];

/** Each with what the agent has started today. */
export const readLimitRows = (sql: Sql, agentId: string): Promise<AgentLimit[]> =>
  sql.query<AgentLimit>(limitsRead, [agentId]);
/** Starts of the agent wait for the commit if it is locked. */
export const setLimitRow = async (
  tx: Sql,
  agentId: string,
  setBy: LimitSetter,
  { act, acts_a_day: acts, amounts_a_day: amounts, amount_at: at, currency_at: unit }: Omit<LimitChange, 'reason'>,
): Promise<void> => {
  await tx.query(limitSet, [agentId, setBy, act, acts, amounts && JSON.stringify(amounts), at, unit]);
};
export const deleteLimitRow = async (tx: Sql, agentId: string, setBy: LimitSetter, act: string): Promise<void> => {
  await tx.query(limitDelete, [agentId, setBy, act]);
};

/** Scans the agents with their clients, of which an owner has few. */
export const agentFinder = defineFinder({
  kind: 'agent',
  permission: agentsRead,
  from: 'agents JOIN oauth_clients ON "clientId" = client_id',
  id: 'client_id',
  label: 'coalesce(name, client_id)',
  owner: ["'user'", 'owner_id'],
  parts: ['client_id', 'name'],
});
