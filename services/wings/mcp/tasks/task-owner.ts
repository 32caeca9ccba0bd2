import type { HasAccess } from '#services/core/access/access-directory.ts';
import { clientOrAgent } from '#services/core/access/client-caller.ts';
import type { Caller, Ports } from '#services/core/ports.ts';
import type { TaskRow } from '#services/core/shared/task-kind.ts';
import { holdsPermission } from './tasks.store.ts';

/** The caller that began a task, for which a worker acts without permissions. */
export function ownerCaller(
  { access }: HasAccess,
  { caller_kind: callerKind, caller_id: callerId, client_id: clientId }: TaskRow,
  { request }: Caller,
): Caller {
  const permissions: ReadonlySet<string> = new Set();
  const agent = access.client(clientId)?.agent;
  if (callerKind === 'client')
    return clientOrAgent(agent, { clientId, permissions, by: 'mcp', isVetted: true, request });
  return {
    kind: 'user',
    userId: callerId,
    sessionId: null,
    clientId,
    permissions,
    by: 'mcp',
    tokenId: null,
    familyId: null,
    authTime: 0,
    ...(agent == null ? {} : { agentId: clientId }),
    request,
  };
}

/** Why the act of a task must not run for its caller any more, although people approved it; null if it may. */
export async function whyOwnerMayNot(
  { access, sql }: HasAccess & Pick<Ports, 'sql'>,
  { caller_kind: callerKind, caller_id: callerId, client_id: clientId }: TaskRow,
  permission: string,
): Promise<string | null> {
  await access.load();
  const client = access.client(clientId);
  if (client === undefined || client.disabled) return 'client_disabled';
  const isHeld =
    callerKind === 'client'
      ? client.credential_scopes.includes(permission)
      : client.scopes.includes(permission) && (await holdsPermission(sql, callerId, permission));
  return isHeld ? null : 'permission_missing';
}
