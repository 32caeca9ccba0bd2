import type { HasAccessChanged } from '#services/core/access/access-changed.ts';
import type { HasAccess } from '#services/core/access/access-directory.ts';
import { heldToHandOn, permissionsAmong } from '#services/core/access/application-rights.ts';
import { PROGRAM_COPIES } from '#services/core/access/client-profile.ts';
import { createClient } from '#services/core/access/create-client.ts';
import { SIGNED_ACT } from '#services/core/access/detail-type.ts';
import { CIBA_GRANT, TOKEN_EXCHANGE } from '#services/core/access/grant-shapes.ts';
import { recordEvent } from '#services/core/audit/record-event.ts';
import { assertHolds } from '#services/core/authority/callers.ts';
import type { Caller, Ports } from '#services/core/ports.ts';
import { userUnknown } from '#services/core/tokens/errors.ts';
import { insertAgent, lockOwner, readAgentRow } from './agents.store.ts';
import { agentRegistered } from './audit-events.ts';
import type { AgentRegistration, AgentView } from './contract.ts';
import { agentExceedsOwner } from './errors.ts';

type RegisterAgentPorts = Pick<Ports, 'transact' | 'random'> & HasAccess & HasAccessChanged;

/** With the secret, which is shown only once; null for an agent with keys. */
export type RegisteredAgent = AgentView & { readonly client_secret: string | null };

/**
 * Registers an agent: an OAuth client that may get tokens for itself and exchange tokens of its owner. It never has a
 * permission that its owner lacks, and loses what its owner loses.
 * Throws `agent_exceeds_owner`, `client_keys_invalid`, `client_settings_conflict` (400), `rights_exceeded` (403),
 * `user_unknown` (404).
 */
export async function registerAgent(
  ports: RegisterAgentPorts,
  input: AgentRegistration,
  caller: Caller,
): Promise<RegisteredAgent> {
  const {
    owner_id: ownerId,
    capabilities,
    heartbeat_seconds: heartbeatSeconds,
    expires_in_days: expiresInDays,
    ...client
  } = input;
  const scopes = [...new Set([...input.scopes, ...input.credential_scopes])];
  assertHolds(caller, heldToHandOn(ports, scopes));
  const permissions = permissionsAmong(ports, scopes);
  return ports.transact(async (tx) => {
    const held = await lockOwner(tx, ownerId);
    if (held === undefined) throw userUnknown();
    const lacking = permissions.filter((permission) => !held.includes(permission)).sort();
    if (lacking.length > 0) throw agentExceedsOwner({ detail: `The owner lacks ${lacking.slice(0, 20).join(', ')}.` });
    const { clientId: agentId, clientSecret } = await createClient(
      { random: ports.random, transact: (work) => work(tx) },
      {
        ...client,
        refresh_copies: PROGRAM_COPIES,
        grant_types: ['client_credentials', TOKEN_EXCHANGE, CIBA_GRANT],
        authorization_details_types: [SIGNED_ACT],
      },
      caller,
    );
    await insertAgent(tx, {
      agent_id: agentId,
      owner_id: ownerId,
      capabilities,
      heartbeat_seconds: heartbeatSeconds,
      expires_in_days: expiresInDays,
    });
    await recordEvent(tx, caller, agentRegistered, {
      outcome: 'ok',
      target: { kind: 'client', id: agentId },
      detail: { owner_id: ownerId, reason: input.reason },
    });
    tx.afterCommit(ports.accessChanged);
    return { ...((await readAgentRow(tx, agentId)) as AgentView), client_secret: clientSecret };
  });
}
