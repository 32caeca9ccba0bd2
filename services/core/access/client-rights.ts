import { assertHolds } from '../authority/callers.ts';
import type { Caller, Tx } from '../ports.ts';
import type { HasAccess } from './access-directory.ts';
import { heldToHandOn } from './application-rights.ts';
import type { ClientChanges } from './client-record.ts';
import { type ClientDetailRow, endConsents, hasConsents } from './clients.store.ts';
import { tokensIssue } from './permissions.ts';

type Scopes = Pick<ClientChanges, 'scopes' | 'credential_scopes' | 'identity_assertions'>;

const userScopes = (states: readonly Scopes[]): string[] => states.flatMap(({ scopes = [] }) => scopes);

/**
 * Permissions that the client's secret gives without a user's consent: those of the client and, with `tokens:issue` or
 * another server that vouches for users, those of the user tokens that it may get. @param states the client before and after a change
 */
export function rightsOfSecret(ports: HasAccess, ...states: readonly Scopes[]): string[] {
  const credentialScopes = states.flatMap((state) => state.credential_scopes ?? []);
  const isVouchedFor = states.some(({ identity_assertions: assertions }) => assertions?.accepts !== undefined);
  if (isVouchedFor) credentialScopes.push(tokensIssue.name);
  return heldToHandOn(
    ports,
    credentialScopes.includes(tokensIssue.name) ? [...credentialScopes, ...userScopes(states)] : credentialScopes,
  );
}

const adds = (before: readonly string[], after: readonly string[] = []): boolean =>
  after.some((value) => !before.includes(value));

/**
 * Called before the secret, scopes or redirect addresses of a client change. If users consented to the client, or it
 * skips consent, the caller could use what they allowed it, so the caller needs those permissions. An added scope or
 * redirect address has no consent yet: existing consents end and users are asked again. Throws `rights_exceeded` (403).
 */
export async function guardConsents(
  tx: Tx,
  ports: HasAccess,
  { client, changes }: { readonly client: ClientDetailRow; readonly changes: ClientChanges },
  caller: Caller,
): Promise<void> {
  if (!client.skip_consent && !(await hasConsents(tx, client.client_id))) return;
  assertHolds(caller, heldToHandOn(ports, userScopes([client, changes])));
  if (adds(client.redirect_uris, changes.redirect_uris) || adds(client.scopes, changes.scopes))
    await endConsents(tx, client.client_id);
}
