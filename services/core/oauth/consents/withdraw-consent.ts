import { recordEvent } from '#services/core/audit/record-event.ts';
import { FIRST_PARTY_CLIENT_ID } from '#services/core/authority/callers.ts';
import { ownerAsking } from '#services/core/authority/own-account.ts';
import { actOnUser, type UserAct, type UserPorts } from '#services/core/identity/admin/act-on-user.ts';
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
  await ports.transact(async (tx) => {
    const at = { userId: user.userId, clientId };
    await withdraw(tx, { ...at, codes: await deleteAuthorizationCodesOf(tx, at.userId, clientId) }, {}, user);
    tx.afterCommit(ports.announceRevocations);
  });
}

/** The same for another user, by an administrator with the user's rights. Throws also the errors of `actOnUser`. */
export async function withdrawApplicationConsent(
  ports: UserPorts,
  { client_id: clientId, ...act }: UserAct & { readonly client_id: string },
  caller: Caller,
): Promise<void> {
  const { user_id: userId, reason } = act;
  let codes = 0;
  // Codes before the user, as in the owner's own withdrawal and in a redemption.
  const lockCodes = async (tx: Tx): Promise<void> => {
    codes = await deleteAuthorizationCodesOf(tx, userId, clientId);
  };
  const end = (tx: Tx) => withdraw(tx, { userId, clientId, codes }, { user_id: userId, reason }, caller);
  await actOnUser(ports, act, caller, end, lockCodes);
}

async function withdraw(
  tx: Tx,
  { userId, clientId, codes }: { readonly userId: string; readonly clientId: string; readonly codes: number },
  detail: { readonly user_id?: string; readonly reason?: string },
  caller: Caller,
): Promise<void> {
  // Families of the first-party client belong to sessions; they are listed and ended as sessions.
  if (clientId === FIRST_PARTY_CLIENT_ID) throw consentUnknown();
  const consents = await deleteConsents(tx, userId, clientId);
  const grants = await deleteDeviceGrantsOf(tx, userId, clientId);
  const families = await endFamiliesOfUserAtClient(tx, { userId, clientId }, 'consent_withdrawn', caller);
  if (codes + consents + grants + families === 0) throw consentUnknown();
  await recordEvent(tx, caller, consentWithdrawn, {
    target: { kind: 'client', id: clientId },
    clientId,
    detail: { logins: families, ...detail },
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
      target: { kind: 'client', id: clientId },
      clientId,
      detail: { user_id: userId, reason },
    });
}
