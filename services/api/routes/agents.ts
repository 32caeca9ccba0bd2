import type { PortsOf } from '#services/core/shared/operation.ts';
import { agentOperations } from '#services/wings/agents/operations.ts';
import type { RouteContext } from '../bind.ts';
import { bindOperations } from '../bind-operations.ts';

/** Agents: for administrators, for their owners, and for the agents themselves. */
export function agentsRoutes(routes: RouteContext, ports: PortsOf<typeof agentOperations>): void {
  bindOperations(routes, agentOperations, ports);
}
