import { handoffOperations } from '#services/domain/handoff/operations.ts';
import type { PortsOf } from '#services/domain/shared/operation.ts';
import type { RouteContext } from '../bind.ts';
import { bindOperations } from '../bind-operations.ts';

/** Dead letters of hand-offs, for operators. */
export function handoffRoutes(routes: RouteContext, ports: PortsOf<typeof handoffOperations>): void {
  bindOperations(routes, handoffOperations, ports);
}
