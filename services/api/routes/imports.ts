import { importOperations } from '#services/domain/migration/operations.ts';
import type { PortsOf } from '#services/domain/shared/operation.ts';
import type { RouteContext } from '../bind.ts';
import { bindOperations } from '../bind-operations.ts';

/** Imports of users of other systems. */
export function importsRoutes(routes: RouteContext, ports: PortsOf<typeof importOperations>): void {
  bindOperations(routes, importOperations, ports);
}
