import { invitationOperations } from '#services/core/identity/invitation-operations.ts';
import { sessionOperations } from '#services/core/identity/session-operations.ts';
import { userOperations } from '#services/core/identity/user-operations.ts';
import type { PortsOf } from '#services/core/shared/operation.ts';
import type { RouteContext } from '../bind.ts';
import { bindOperations } from '../bind-operations.ts';

type AdminPeoplePorts = PortsOf<typeof userOperations> &
  PortsOf<typeof invitationOperations> &
  PortsOf<typeof sessionOperations>;

/** Accounts and sessions for callers with the permission, and every user's own sessions. */
export function adminPeopleRoutes(routes: RouteContext, ports: AdminPeoplePorts): void {
  bindOperations(routes, [...userOperations, ...invitationOperations, ...sessionOperations], ports);
}
