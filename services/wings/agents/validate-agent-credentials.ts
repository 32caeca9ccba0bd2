import { ASSERTION_TYPE } from '#services/core/access/assertion-shapes.ts';
import { recordEvent } from '#services/core/audit/record-event.ts';
import { type AssertionPorts, authenticateAssertion } from '#services/core/oauth/assertions/authenticate-assertion.ts';
import type { Caller, Ports } from '#services/core/ports.ts';
import { isAppError } from '#services/platform/define/error.ts';
import { clientUnauthenticated } from '#services/platform/errors.ts';
import { agentCredentialsChecked } from './audit-events.ts';

export type ValidateAgentPorts = Pick<Ports, 'sql'> & AssertionPorts;

/** A secret, or an assertion that the agent signed (`private_key_jwt`, RFC 7523), which works once. */
export type AgentCredentials = { readonly secret: string } | { readonly assertion: string };

async function authenticates(
  ports: ValidateAgentPorts,
  agentId: string,
  credentials: AgentCredentials,
  caller: Caller,
): Promise<boolean> {
  if ('secret' in credentials) return ports.access.authenticateClient(agentId, credentials.secret) !== null;
  const sent = { type: ASSERTION_TYPE, assertion: credentials.assertion, clientId: agentId };
  try {
    await authenticateAssertion(ports, sent, caller.request);
    return true;
  } catch (err) {
    if (isAppError(err) && err.definition === clientUnauthenticated.definition) return false;
    throw err;
  }
}

function whyRefused({ access }: ValidateAgentPorts, agentId: string): 'unknown' | 'disabled' | 'wrong' {
  const client = access.client(agentId);
  if (client === undefined || client.agent === null) return 'unknown';
  return client.disabled ? 'disabled' : 'wrong';
}

/**
 * Whether these are credentials of a live agent. Every case with a secret costs one hash, two comparisons and one row in
 * the audit log, so the time says nothing. Throws `client_keys_busy`, `store_unavailable` (503).
 */
export async function validateAgentCredentials(
  ports: ValidateAgentPorts,
  { agentId, credentials }: { readonly agentId: string; readonly credentials: AgentCredentials },
  caller: Caller,
): Promise<boolean> {
  const isClient = await authenticates(ports, agentId, credentials, caller);
  const isAgent = isClient && ports.access.client(agentId)?.agent != null;
  const code = whyRefused(ports, agentId);
  await recordEvent(ports.sql, caller, agentCredentialsChecked, {
    outcome: isAgent ? 'ok' : 'refused',
    ...(code === 'unknown' ? {} : { target: { kind: 'client', id: agentId } }),
    ...(isAgent ? {} : { detail: { code } }),
  });
  return isAgent;
}
