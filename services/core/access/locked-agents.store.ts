import { defineStatement } from '#services/platform/define/statement.ts';
import type { Sql } from '../ports.ts';

/**
 * Until commit the agent is not killed or disabled, and its owner loses nothing: every loss updates the row of the user.
 * Locks the user first, as everything does that ends agents of a user. By the primary keys. Not FOR SHARE: overlapping
 * requests of the agent would hold up its kill for good.
 */
const agentLock = defineStatement('agentShareLock')`
  SELECT owner_id, users."tokenEpoch" AS owner_epoch,
    killed_at IS NULL AND expires_at > clock_timestamp() AND NOT coalesce(disabled, false)
      AND users."disabledAt" IS NULL AS is_live, coalesce(credential_scopes, '{}') AS credential_scopes
  FROM users JOIN agents ON owner_id = users.id JOIN oauth_clients ON "clientId" = client_id
  WHERE client_id = $1 FOR NO KEY UPDATE OF users, agents, oauth_clients`;

export type LockedAgent = {
  readonly owner_id: string;
  /** A token of the owner with an earlier epoch has ended. */
  readonly owner_epoch: number;
  /** False for an agent that was killed or disabled or has expired, and for one whose owner is disabled. */
  readonly is_live: boolean;
  readonly credential_scopes: string[];
};

/** Undefined for a client that is no agent. */
export const lockAgentRow = async (tx: Sql, clientId: string): Promise<LockedAgent | undefined> =>
  (await tx.query<LockedAgent>(agentLock, [clientId]))[0];
