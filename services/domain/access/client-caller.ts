import type { Caller, RequestContext } from '../ports.ts';
import type { AccessDirectory, Client } from './access-directory.ts';

/** Authenticates a confidential client by its secret; or null. */
export function clientCaller(
  access: AccessDirectory,
  clientId: string,
  secret: string,
  request: RequestContext,
): Caller | null {
  const client = access.authenticateClient(clientId, secret);
  return client === null ? null : callerOfClient(access, client, request);
}

/** The caller of a client that has authenticated, with the permissions among its client-credentials scopes. */
export function callerOfClient(
  access: Pick<AccessDirectory, 'permissions'>,
  client: Client,
  request: RequestContext,
): Caller & { readonly kind: 'client' } {
  const known = access.permissions();
  const permissions = new Set(client.credentialScopes.filter((scope) => known.has(scope)));
  return {
    kind: 'client',
    clientId: client.clientId,
    permissions,
    by: 'client',
    isVetted: client.origin === 'admin',
    request,
  };
}
