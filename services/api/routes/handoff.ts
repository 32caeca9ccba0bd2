import type { PortsOf } from '#services/core/shared/operation.ts';
import { handoffOperations } from '#services/wings/outbound/handoff/operations.ts';
import type { RouteContext } from '../bind.ts';
import { bindOperations } from '../bind-operations.ts';

/** Dead letters of hand-offs, for operators. */
export function handoffRoutes(routes: RouteContext, ports: PortsOf<typeof handoffOperations>): void {
  bindOperations(routes, handoffOperations, ports);
}
