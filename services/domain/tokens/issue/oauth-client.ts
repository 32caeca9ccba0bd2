import type { HasAccess } from '#services/domain/access/access-directory.ts';
import type { Caller } from '#services/domain/ports.ts';
import { clientUnauthenticated, requestInvalid } from '#services/platform/errors.ts';

/** Who speaks at an OAuth endpoint: a confidential client by its secret, or a public one by its name alone. */
export type OAuthClient = { readonly clientId: string; readonly isAuthenticated: boolean };

/**
 * Throws `client_unauthenticated` (401 `invalid_client`) for a client that has a secret and did not show it, is not
 * known or disabled; `request_invalid` where header and form name different clients (RFC 6749 §2.3).
 */
export function oauthClient({ access }: HasAccess, named: string | undefined, caller: Caller): OAuthClient {
  if (caller.kind === 'client') {
    if (named !== undefined && named !== '' && named !== caller.clientId)
      throw requestInvalid({ problems: [{ at: 'body/client_id', why: 'is not the client that authenticated' }] });
    // It may have been disabled or deleted since its secret was checked, while its body was read.
    if (access.client(caller.clientId)?.disabled !== false) throw clientUnauthenticated();
    return { clientId: caller.clientId, isAuthenticated: true };
  }
  const client = named === undefined ? undefined : access.client(named);
  if (client === undefined || client.disabled || client.secretHash !== null || client.authMethod !== 'none')
    throw clientUnauthenticated();
  return { clientId: client.clientId, isAuthenticated: false };
}
