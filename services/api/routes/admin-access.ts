import {
  declareApplicationEndpoint,
  deleteApplicationEndpoint,
  listApplicationsEndpoint,
} from '#services/domain/access/applications-contract.ts';
import { clientOperations } from '#services/domain/access/client-operations.ts';
import {
  declareApplication,
  deleteApplication,
  listApplications,
} from '#services/domain/access/manage-applications.ts';
import type { ManageClientsPorts } from '#services/domain/access/manage-clients.ts';
import { createRole, deleteRole, listRoles, setRolePermissions } from '#services/domain/access/manage-roles.ts';
import type { HasOwnAudiences } from '#services/domain/access/plan-application.ts';
import {
  createRoleEndpoint,
  deleteRoleEndpoint,
  listRolesEndpoint,
  setRolePermissionsEndpoint,
} from '#services/domain/access/roles-contract.ts';
import { bind, bindOnce, type RouteContext } from '../bind.ts';
import { bindOperations } from '../bind-operations.ts';
import type { Once } from '../requests/once.ts';

/** Clients, roles and applications, for callers with the permission to read or manage them. */
export function adminAccessRoutes(routes: RouteContext, ports: ManageClientsPorts & HasOwnAudiences): void {
  bind(routes, listRolesEndpoint, async ({ query }) => {
    const { items, next } = await listRoles(ports, query);
    return { roles: items, next };
  });
  const withOnce = (once: Once): ManageClientsPorts => ({
    ...ports,
    ...once,
    accessChanged: () => once.afterCommit(ports.accessChanged),
  });
  bindOnce(routes, createRoleEndpoint, ({ body }, caller, once) => createRole(withOnce(once), body, caller));
  bind(routes, setRolePermissionsEndpoint, ({ params, body }, caller) =>
    setRolePermissions(ports, { name: params.role, ...body }, caller),
  );
  bind(routes, deleteRoleEndpoint, ({ params, query }, caller) =>
    deleteRole(ports, { name: params.role, reason: query.reason }, caller),
  );

  bind(routes, listApplicationsEndpoint, async ({ query }) => {
    const { items, next } = await listApplications(ports, query);
    return { applications: items, next };
  });
  bind(routes, declareApplicationEndpoint, async ({ body: { dry_run: isDryRun = false, ...body } }, caller) => ({
    ...(await declareApplication(ports, { ...body, isDryRun }, caller)),
    dry_run: isDryRun,
  }));
  bind(routes, deleteApplicationEndpoint, ({ params, query }, caller) =>
    deleteApplication(ports, { application: params.application, reason: query.reason }, caller),
  );

  bindOperations(routes, clientOperations, ports);
}
