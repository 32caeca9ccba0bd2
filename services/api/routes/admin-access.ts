import { applicationOperations } from '#services/domain/access/application-operations.ts';
import { clientOperations } from '#services/domain/access/client-operations.ts';
import type { ManageClientsPorts } from '#services/domain/access/manage-clients.ts';
import type { HasOwnAudiences } from '#services/domain/access/plan-application.ts';
import { roleOperations } from '#services/domain/access/role-operations.ts';
import type { RouteContext } from '../bind.ts';
import { bindOperations } from '../bind-operations.ts';

/** Clients, roles and applications, for callers with the permission to read or manage them. */
export function adminAccessRoutes(routes: RouteContext, ports: ManageClientsPorts & HasOwnAudiences): void {
  bindOperations(routes, [...roleOperations, ...applicationOperations, ...clientOperations], ports);
}
