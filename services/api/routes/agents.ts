import {
  killAgentEndpoint,
  killOwnAgentEndpoint,
  listAgentsEndpoint,
  listOwnAgentsEndpoint,
  readAgentEndpoint,
  recordHeartbeatEndpoint,
  registerAgentEndpoint,
} from '#services/domain/agents/contract.ts';
import {
  killAgent,
  killOwnAgent,
  listAgents,
  listOwnAgents,
  readAgent,
  recordHeartbeat,
} from '#services/domain/agents/manage-agents.ts';
import { type RegisterAgentPorts, registerAgent } from '#services/domain/agents/register-agent.ts';
import type { Ports } from '#services/domain/ports.ts';
import { bind, bindOnce, type RouteContext } from '../bind.ts';

/** Agents: for administrators, for their owners, and for the agents themselves. */
export function agentsRoutes(routes: RouteContext, ports: RegisterAgentPorts & Pick<Ports, 'sql'>): void {
  bindOnce(routes, registerAgentEndpoint, ({ body }, caller, once) => {
    const accessChanged = () => once.afterCommit(ports.accessChanged);
    const input = {
      name: body.name,
      ownerId: body.owner_id,
      authMethod: body.auth_method,
      jwks: body.jwks,
      jwksUri: body.jwks_uri,
      scopes: body.scopes,
      credentialScopes: body.credential_scopes,
      audiences: body.audiences,
      dpopBound: body.dpop_bound_access_tokens,
      capabilities: body.capabilities,
      heartbeatSeconds: body.heartbeat_seconds,
      expiresInDays: body.expires_in_days,
      reason: body.reason,
    };
    return registerAgent({ ...ports, ...once, accessChanged }, input, caller);
  });
  bind(routes, listAgentsEndpoint, async ({ query: { owner: ownerId, ...query } }) => {
    const { items, next } = await listAgents(ports, { ...query, ownerId });
    return { agents: items, next };
  });
  bind(routes, readAgentEndpoint, ({ params }) => readAgent(ports, params.agent_id));
  bind(routes, killAgentEndpoint, ({ params, body }, caller) =>
    killAgent(ports, { agentId: params.agent_id, reason: body.reason }, caller),
  );
  bind(routes, listOwnAgentsEndpoint, async ({ query }, caller) => {
    const { items, next } = await listOwnAgents(ports, query, caller);
    return { agents: items, next };
  });
  bind(routes, killOwnAgentEndpoint, ({ params, body }, caller) =>
    killOwnAgent(ports, { agentId: params.agent_id, reason: body.reason }, caller),
  );
  bind(routes, recordHeartbeatEndpoint, ({ body }, caller) => recordHeartbeat(ports, body, caller));
}
