import type { Caller, Tx } from '../ports.ts';
import type { HasAccess } from './access-directory.ts';
import { assertHolds } from './assert-holds.ts';
import { type ClientChanges, type ClientDetailRow, endConsents, hasConsents } from './clients.store.ts';

type Scopes = Pick<ClientChanges, 'scopes' | 'credentialScopes'>;

const permissionsAmong = ({ access }: HasAccess, scopes: readonly string[]): string[] => {
  const known = access.permissions();
  return scopes.filter((scope) => known.has(scope));
};

const scopesOfLogins = (states: readonly Scopes[]): string[] => states.flatMap(({ scopes = [] }) => scopes);

/**
 * What whoever has the client's secret can do without anybody's consent: its own rights and, with `tokens:issue`, what
 * the logins may do that it begins for anyone. @param states as it is and as it is to be
 */
export function rightsOfSecret(ports: HasAccess, ...states: readonly Scopes[]): string[] {
  const own = states.flatMap(({ credentialScopes = [] }) => credentialScopes);
  return permissionsAmong(ports, own.includes('tokens:issue') ? [...own, ...scopesOfLogins(states)] : own);
}

const adds = (before: readonly string[], after: readonly string[] = []): boolean =>
  after.some((value) => !before.includes(value));

/**
 * Before secret, scopes or redirect addresses change: whoever changes those of a client that people have agreed to, or
 * are never asked about, can come into what they let it do, and needs those rights. What is added, nobody has agreed to:
 * people are asked again. Throws `rights_exceeded` (403).
 */
export async function guardAgreements(
  tx: Tx,
  ports: HasAccess,
  { client, changes }: { readonly client: ClientDetailRow; readonly changes: ClientChanges },
  caller: Caller,
): Promise<void> {
  if (!client.skipsConsent && !(await hasConsents(tx, client.clientId))) return;
  assertHolds(caller, permissionsAmong(ports, scopesOfLogins([client, changes])));
  if (adds(client.redirectUris, changes.redirectUris) || adds(client.scopes, changes.scopes))
    await endConsents(tx, client.clientId);
}
