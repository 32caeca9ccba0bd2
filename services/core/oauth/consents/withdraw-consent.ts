import { recordEvent } from '#services/core/audit/record-event.ts';
import { FIRST_PARTY_CLIENT_ID } from '#services/core/authority/callers.ts';
import { ownerAsking } from '#services/core/authority/own-account.ts';
import type { Caller, Ports, Tx } from '#services/core/ports.ts';
import type { HasRevocationPush } from '#services/core/revocations/revocation-set.ts';
import { endFamiliesOfUserAtClient } from '#services/core/tokens/refresh/end-family.ts';
import { consentWithdrawn } from '../audit-events.ts';
import { consentUnknown } from '../client-errors.ts';
import { deleteAuthorizationCodesOf } from '../codes.store.ts';
import { deleteDeviceGrantsOf } from '../devices/device-grants.store.ts';
import { deleteConsents, deleteConsentsSince } from './consents.store.ts';

/**
 * Withdraws the caller's consent to a client: one transaction ends the consents, unredeemed codes and grants, token
 * families and their access tokens. If a concurrent redemption commits first, this transaction ends its family;
 * otherwise the redemption finds no code.
 * Throws `permission_missing` (403), `consent_unknown` (404), `store_unavailable` (503).
 */
export async function withdrawConsent(
  ports: Pick<Ports, 'transact'> & HasRevocationPush,
  { client_id: clientId }: { readonly client_id: string },
  caller: Caller,
): Promise<void> {
  const user = ownerAsking(caller);
  // Families of the first-party client belong to sessions; users list and end those as sessions.
  if (clientId === FIRST_PARTY_CLIENT_ID) throw consentUnknown();
  const { userId } = user;
  await ports.transact(async (tx) => {
    const codes = await deleteAuthorizationCodesOf(tx, userId, clientId);
    const consents = await deleteConsents(tx, userId, clientId);
    const grants = await deleteDeviceGrantsOf(tx, userId, clientId);
    const families = await endFamiliesOfUserAtClient(tx, { userId, clientId }, 'consent_withdrawn', user);
    if (codes + consents + grants + families === 0) throw consentUnknown();
    await recordEvent(tx, user, consentWithdrawn, {
      outcome: 'ok',
      target: { kind: 'client', id: clientId },
      clientId,
      detail: { logins: families },
    });
    tx.afterCommit(ports.announceRevocations);
  });
}

/**
 * Deletes the consents that a user granted since a time. The caller has locked the user, but no session or family yet:
 * redeeming a code locks the consent before these.
 */
export async function endConsentsSince(
  tx: Tx,
  { userId, since }: { readonly userId: string; readonly since: string },
  reason: string,
  caller: Caller,
): Promise<void> {
  for (const clientId of await deleteConsentsSince(tx, userId, since))
    await recordEvent(tx, caller, consentWithdrawn, {
      outcome: 'ok',
      target: { kind: 'client', id: clientId },
      clientId,
      detail: { user_id: userId, reason },
    });
}
