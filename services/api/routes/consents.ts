import { consentOperations } from '#services/core/oauth/consents/operations.ts';
import type { PortsOf } from '#services/core/shared/operation.ts';
import type { RouteContext } from '../bind.ts';
import { bindOperations } from '../bind-operations.ts';

/** A user's consents to applications. */
export function consentsRoutes(routes: RouteContext, ports: PortsOf<typeof consentOperations>): void {
  bindOperations(routes, consentOperations, ports);
}
