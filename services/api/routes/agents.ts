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
import { type RegisterAgentPorts, registerAgent, registrationInputOf } from '#services/domain/agents/register-agent.ts';
import type { Ports } from '#services/domain/ports.ts';
import { bind, bindOnce, type RouteContext } from '../bind.ts';

/** Agents: for administrators, for their owners, and for the agents themselves. */
export function agentsRoutes(routes: RouteContext, ports: RegisterAgentPorts & Pick<Ports, 'sql'>): void {
  bindOnce(routes, registerAgentEndpoint, ({ body }, caller, once) => {
    const accessChanged = () => once.afterCommit(ports.accessChanged);
    return registerAgent({ ...ports, ...once, accessChanged }, registrationInputOf(body), caller);
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
