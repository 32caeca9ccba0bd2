import { lockAgent } from '#services/core/access/lock-agent.ts';
import { tokensIssue } from '#services/core/access/permissions.ts';
import { actingAgentOf, clientOf, isInstallation } from '#services/core/authority/callers.ts';
import type { Caller, Tx } from '#services/core/ports.ts';
import { permissionMissing } from '#services/platform/errors.ts';
import type { NewFamily } from '../refresh/create-family.ts';

/**
 * An agent issues for its owner alone, as the rows say now. Whatever this copy remembers, nothing is issued by an agent
 * that was killed or disabled, has expired or has lost the permission, nor for an owner who was disabled or deleted.
 * Throws `permission_missing` (403).
 */
export async function assertIssuesForOwner(
  tx: Tx,
  { user_id: userId, session_id: sessionId, client_id: clientId }: NewFamily,
  caller: Caller,
): Promise<void> {
  if (sessionId !== null || isInstallation(caller)) return;
  const agentId = actingAgentOf(caller);
  const agent = await lockAgent(tx, agentId ?? clientId);
  if (agent === undefined && agentId === null) return;
  const isHeld = clientOf(caller) === null || agent?.credential_scopes.includes(tokensIssue.name) === true;
  if (!agent?.is_live || agent.owner_id !== userId || !isHeld) throw permissionMissing();
}
