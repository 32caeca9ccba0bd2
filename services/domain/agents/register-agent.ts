import type { HasAccessChanged } from '../access/access-changed.ts';
import type { HasAccess } from '../access/access-directory.ts';
import { heldToHandOn, permissionsAmong } from '../access/application-rights.ts';
import type { GivenKeys } from '../access/client-keys.ts';
import { createClient } from '../access/create-client.ts';
import { TOKEN_EXCHANGE } from '../access/grant-shapes.ts';
import { recordEvent } from '../audit/record-event.ts';
import { assertHolds } from '../authority/permissions.ts';
import type { Caller, Ports } from '../ports.ts';
import { userUnknown } from '../tokens/errors.ts';
import type { AgentMethod } from './agent-shapes.ts';
import { agentViewOf } from './agent-view.ts';
import { type AgentRow, insertAgent, lockOwner, readAgentRow } from './agents.store.ts';
import { agentRegistered } from './audit-events.ts';
import type { AgentRegistration, AgentView } from './contract.ts';
import { agentExceedsOwner } from './errors.ts';

export type RegisterAgentPorts = Pick<Ports, 'transact' | 'random'> & HasAccess & HasAccessChanged;

export type RegisterAgentInput = GivenKeys & {
  readonly name: string;
  readonly ownerId: string;
  readonly auth_method: AgentMethod;
  readonly scopes: readonly string[];
  readonly credential_scopes: readonly string[];
  readonly audiences: readonly string[];
  readonly dpop_bound_access_tokens: boolean;
  readonly capabilities: readonly string[];
  readonly heartbeatSeconds: number;
  readonly expiresInDays: number;
  /** For the audit log. */
  readonly reason: string;
};

/** The input that the body of the endpoint means; the command line validates by the same schema. */
export const registrationInputOf = (body: AgentRegistration): RegisterAgentInput => ({
  name: body.name,
  ownerId: body.owner_id,
  auth_method: body.auth_method,
  jwks: body.jwks,
  jwks_uri: body.jwks_uri,
  scopes: body.scopes,
  credential_scopes: body.credential_scopes,
  audiences: body.audiences,
  dpop_bound_access_tokens: body.dpop_bound_access_tokens,
  capabilities: body.capabilities,
  heartbeatSeconds: body.heartbeat_seconds,
  expiresInDays: body.expires_in_days,
  reason: body.reason,
});

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
  input: RegisterAgentInput,
  caller: Caller,
): Promise<RegisteredAgent> {
  const { ownerId, capabilities, heartbeatSeconds, expiresInDays, ...client } = input;
  const scopes = [...new Set([...input.scopes, ...input.credential_scopes])];
  assertHolds(caller, heldToHandOn(ports, scopes));
  const permissions = permissionsAmong(ports, scopes);
  const registered = await ports.transact(async (tx) => {
    const held = await lockOwner(tx, ownerId);
    if (held === undefined) throw userUnknown();
    const lacking = permissions.filter((permission) => !held.includes(permission)).sort();
    if (lacking.length > 0) throw agentExceedsOwner({ detail: `The owner lacks ${lacking.slice(0, 20).join(', ')}.` });
    const { clientId: agentId, clientSecret } = await createClient(
      { random: ports.random, transact: (work) => work(tx) },
      { ...client, grant_types: ['client_credentials', TOKEN_EXCHANGE] },
      caller,
    );
    await insertAgent(tx, { agentId, ownerId, capabilities, heartbeatSeconds, expiresInDays });
    await recordEvent(tx, caller, agentRegistered, {
      outcome: 'ok',
      target: { kind: 'client', id: agentId },
      detail: { owner_id: ownerId, reason: input.reason },
    });
    const row = (await readAgentRow(tx, agentId)) as AgentRow;
    return { ...agentViewOf(row), client_secret: clientSecret };
  });
  await ports.accessChanged();
  return registered;
}
