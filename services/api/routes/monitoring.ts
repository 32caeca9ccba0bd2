import { monitoringOperations } from '#services/domain/monitoring/operations.ts';
import type { Ports } from '#services/domain/ports.ts';
import type { RouteContext } from '../bind.ts';
import { bindOperations } from '../bind-operations.ts';

/** The dashboard. */
export function monitoringRoutes(routes: RouteContext, deps: Pick<Ports, 'sql'>): void {
  bindOperations(routes, monitoringOperations, deps);
}
