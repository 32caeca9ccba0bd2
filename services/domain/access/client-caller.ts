import type { Caller, RequestContext } from '../ports.ts';
import type { AccessDirectory } from './access-directory.ts';

/** Authenticates a confidential client by its secret, with the permissions among its client-credentials scopes; or null. */
export function clientCaller(
  access: AccessDirectory,
  clientId: string,
  secret: string,
  request: RequestContext,
): Caller | null {
  const client = access.authenticateClient(clientId, secret);
  if (client === null) return null;
  const known = access.permissions();
  const permissions = new Set(client.credentialScopes.filter((scope) => known.has(scope)));
  return { kind: 'client', clientId, permissions, by: 'client', isVetted: client.origin === 'admin', request };
}
