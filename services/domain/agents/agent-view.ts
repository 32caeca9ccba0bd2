import type { AgentRow } from './agents.store.ts';
import type { AgentView } from './contract.ts';

export const agentViewOf = (row: AgentRow): AgentView => ({
  agent_id: row.agentId,
  name: row.name,
  owner_id: row.ownerId,
  status: row.status,
  auth_method: row.auth_method,
  scopes: row.scopes,
  credential_scopes: row.credential_scopes,
  audiences: row.audiences,
  dpop_bound_access_tokens: row.dpop_bound_access_tokens,
  capabilities: row.capabilities,
  heartbeat_seconds: row.heartbeatSeconds,
  last_seen_at: row.lastSeenAt,
  created_at: row.createdAt,
  expires_at: row.expiresAt,
  killed_at: row.killedAt,
});
