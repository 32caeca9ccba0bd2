import type { HasAccess } from '#services/core/access/access-directory.ts';
import { clientOf } from '#services/core/authority/callers.ts';
import type { Caller } from '#services/core/ports.ts';
import { clientUnauthenticated, requestInvalid } from '#services/platform/errors.ts';

/** The client of a request to an OAuth endpoint: a confidential client that authenticated, a public client by its id only. */
export type OAuthClient = { readonly clientId: string; readonly isAuthenticated: boolean };

/**
 * Throws `client_unauthenticated` (401 `invalid_client`) for an unknown or disabled client, and for a confidential client
 * that did not authenticate; `request_invalid` when header and form name different clients (RFC 6749 §2.3).
 */
export function oauthClient({ access }: HasAccess, named: string | undefined, caller: Caller): OAuthClient {
  const authenticated = clientOf(caller);
  if (authenticated !== null) {
    const { clientId } = authenticated;
    if (named !== undefined && named !== '' && named !== clientId)
      throw requestInvalid({ problems: [{ at: 'body/client_id', why: 'is not the client that authenticated' }] });
    // The client may have been disabled or deleted while the body was read, after it authenticated.
    if (access.client(clientId)?.disabled !== false) throw clientUnauthenticated();
    return { clientId, isAuthenticated: true };
  }
  const client = named === undefined ? undefined : access.client(named);
  if (client === undefined || client.disabled || client.secretHash !== null || client.auth_method !== 'none')
    throw clientUnauthenticated();
  return { clientId: client.clientId, isAuthenticated: false };
}
