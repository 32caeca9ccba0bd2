import type { AgentCaller, ClientCaller } from '../authority/callers.ts';
import type { Caller, ClientCredential, RequestContext } from '../ports.ts';
import type { AccessDirectory, Client } from './access-directory.ts';

/** Authenticates a confidential client by its secret; or null. */
export function clientCaller(
  access: AccessDirectory,
  clientId: string,
  secret: string,
  request: RequestContext,
): Caller | null {
  const client = access.authenticateClient(clientId, secret);
  return client === null ? null : callerOfClient(access, client, 'secret', request);
}

/** The caller of a client that has authenticated, with the permissions among its client-credentials scopes. */
export function callerOfClient(
  access: Pick<AccessDirectory, 'permissions'>,
  client: Client,
  by: ClientCredential,
  request: RequestContext,
): ClientCaller | AgentCaller {
  const known = access.permissions();
  const permissions = new Set(client.credential_scopes.filter((scope) => known.has(scope)));
  return clientOrAgent(client.agent, { ...knownAs(client), permissions, by, request });
}

/** What callers of a client have in common, whatever their credential. */
export const knownAs = ({ clientId, origin }: Client): { readonly clientId: string; readonly isVetted: boolean } => ({
  clientId,
  isVetted: origin === 'admin',
});

/** The caller that a client is: an agent, if the directory names an owner of it. */
export const clientOrAgent = (
  agent: Client['agent'] | undefined,
  { isVetted, ...facts }: Omit<ClientCaller, 'kind'>,
): ClientCaller | AgentCaller =>
  agent == null ? { kind: 'client', ...facts, isVetted } : { kind: 'agent', ownerId: agent.ownerId, ...facts };
