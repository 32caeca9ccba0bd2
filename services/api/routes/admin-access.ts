import { applicationOperations } from '#services/core/access/application-operations.ts';
import { clientOperations } from '#services/core/access/client-operations.ts';
import type { ManageClientsPorts } from '#services/core/access/manage-clients.ts';
import type { HasOwnAudiences } from '#services/core/access/plan-application.ts';
import { roleOperations } from '#services/core/access/role-operations.ts';
import type { RouteContext } from '../bind.ts';
import { bindOperations } from '../bind-operations.ts';

/** Clients, roles and applications, for callers with the permission to read or manage them. */
export function adminAccessRoutes(routes: RouteContext, ports: ManageClientsPorts & HasOwnAudiences): void {
  bindOperations(routes, [...roleOperations, ...applicationOperations, ...clientOperations], ports);
}
