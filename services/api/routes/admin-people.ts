import { grantRole, removeRole } from '#services/domain/identity/admin/assign-role.ts';
import { deleteUser, disableUser, enableUser } from '#services/domain/identity/admin/disable-user.ts';
import { endUserSessions } from '#services/domain/identity/admin/end-user-sessions.ts';
import { type ExplainSignInPorts, explainSignIn } from '#services/domain/identity/admin/explain-sign-in.ts';
import { type HasInvitationRule, inviteAgain, inviteUser } from '#services/domain/identity/admin/invite-user.ts';
import { listUsers, showUser } from '#services/domain/identity/admin/read-users.ts';
import { resetFactors } from '#services/domain/identity/admin/reset-factors.ts';
import {
  deleteUserEndpoint,
  disableUserEndpoint,
  enableUserEndpoint,
  endOwnSessionEndpoint,
  endSessionEndpoint,
  endUserSessionsEndpoint,
  explainSignInEndpoint,
  grantRoleEndpoint,
  listOwnSessionsEndpoint,
  listSessionsEndpoint,
  listUsersEndpoint,
  readUserEndpoint,
  removeRoleEndpoint,
  resetFactorsEndpoint,
} from '#services/domain/identity/contracts/admin-contract.ts';
import { inviteAgainEndpoint, inviteUserEndpoint } from '#services/domain/identity/contracts/invitation-contract.ts';
import type { MailPorts } from '#services/domain/identity/mail/queue-mail.ts';
import type { HasAuth } from '#services/domain/identity/sessions/auth.ts';
import {
  endAnySession,
  endOwnSession,
  listOwnSessions,
  listSessions,
} from '#services/domain/identity/sessions/manage-sessions.ts';
import type { Ports } from '#services/domain/ports.ts';
import type { HasRevocationPush } from '#services/domain/revocations/revocation-set.ts';
import type { HasTokenSettings } from '#services/domain/tokens/token-settings.ts';
import { bind, bindOnce, type RouteContext } from '../bind.ts';

export type AdminPeoplePorts = Pick<Ports, 'transact'> &
  ExplainSignInPorts &
  HasRevocationPush &
  HasAuth &
  HasTokenSettings &
  MailPorts &
  HasInvitationRule;

/** Accounts and sessions for callers with the permission, and every user's own sessions. */
export function adminPeopleRoutes(routes: RouteContext, ports: AdminPeoplePorts): void {
  bind(routes, listUsersEndpoint, async ({ query }) => {
    const filter = {
      emailPrefix: query.email_prefix,
      role: query.role,
      isDisabled: query.disabled === undefined ? undefined : query.disabled === 'true',
      createdFrom: query.created_from,
      createdTo: query.created_to,
    };
    const { items, next } = await listUsers(ports, { ...filter, limit: query.limit, cursor: query.cursor });
    return { users: items, next };
  });
  bindOnce(routes, inviteUserEndpoint, ({ body }, caller, once) =>
    inviteUser({ ...ports, ...once }, { ...body, passwordHash: body.password_hash }, caller),
  );
  bind(routes, inviteAgainEndpoint, ({ params, body }, caller) =>
    inviteAgain(ports, { userId: params.user_id, reason: body.reason }, caller),
  );
  bind(routes, readUserEndpoint, ({ params }) => showUser(ports, params.user_id));
  bind(routes, explainSignInEndpoint, ({ params }) => explainSignIn(ports, params.user_id));
  for (const [endpoint, work] of [
    [disableUserEndpoint, disableUser],
    [enableUserEndpoint, enableUser],
  ] as const)
    bind(routes, endpoint, ({ params, body }, caller) =>
      work(ports, { userId: params.user_id, reason: body.reason }, caller),
    );
  bind(routes, resetFactorsEndpoint, ({ params, body }, caller) =>
    resetFactors(ports, { userId: params.user_id, ...body }, caller),
  );
  bind(routes, deleteUserEndpoint, ({ params, query }, caller) =>
    deleteUser(ports, { userId: params.user_id, reason: query.reason }, caller),
  );
  bind(routes, grantRoleEndpoint, ({ params, body }, caller) =>
    grantRole(ports, { userId: params.user_id, role: params.role, reason: body.reason }, caller),
  );
  bind(routes, removeRoleEndpoint, ({ params, query }, caller) =>
    removeRole(ports, { userId: params.user_id, role: params.role, reason: query.reason }, caller),
  );
  bind(routes, endUserSessionsEndpoint, async ({ params, body }, caller) => ({
    sessions: await endUserSessions(ports, { userId: params.user_id, reason: body.reason }, caller),
  }));

  bind(routes, listSessionsEndpoint, async ({ query }) => {
    const { items, next } = await listSessions(ports, {
      limit: query.limit,
      cursor: query.cursor,
      userId: query.user_id,
      clientId: query.client_id,
    });
    return { sessions: items, next };
  });
  bind(routes, endSessionEndpoint, ({ params, query }, caller) =>
    endAnySession(ports, { sessionId: params.session_id, reason: query.reason }, caller),
  );
  bind(routes, listOwnSessionsEndpoint, async ({ query }, caller) => {
    const { items, next } = await listOwnSessions(ports, query, caller);
    return { sessions: items, next };
  });
  bind(routes, endOwnSessionEndpoint, ({ params }, caller) =>
    endOwnSession(ports, { sessionId: params.session_id }, caller),
  );
}
