import type { HasAccess } from '#services/core/access/access-directory.ts';
import { clientOf } from '#services/core/authority/callers.ts';
import { isByOwnCredential } from '#services/core/authority/own-credential.ts';
import type { Caller } from '#services/core/ports.ts';
import { ownCredentialRequired } from '#services/platform/errors.ts';

type Directory = { readonly access: Pick<HasAccess['access'], 'client'> };

/** Origins of the addresses that the client has registered. */
function originsOf({ access }: Directory, clientId: string): ReadonlySet<string> {
  const client = access.client(clientId);
  const uris = [...(client?.redirect_uris ?? []), client?.client_uri, client?.backchannel_logout_uri, client?.jwks_uri];
  return new Set(uris.flatMap((uri) => (uri != null && URL.canParse(uri) ? [new URL(uri).origin] : [])));
}

/**
 * Throws `own_credential_required` (403) for a push to an origin that the client has not registered, if it asks by an access
 * token or API key alone: events would still go there when that has expired. A poll needs a credential each time.
 */
export function assertMayPushTo(ports: Directory, { origin }: URL, caller: Caller): void {
  const client = clientOf(caller);
  if (client === null || isByOwnCredential(caller) || originsOf(ports, client.clientId).has(origin)) return;
  throw ownCredentialRequired({
    detail:
      'With a token alone, events may only be pushed to an origin of an address that the client has registered, such as its `client_uri`.',
  });
}
