import { endKeysSince } from '../api-keys/revoke-api-key.ts';
import { takeFactorsSince } from '../identity/factors/remove-factor.ts';
import { unlinkSince } from '../identity/social/linked-accounts.ts';
import { endConsentsSince } from '../oauth/consents/withdraw-consent.ts';
import type { Caller, Tx } from '../ports.ts';
import { endEverythingOf, endSessionRow, isMoreOpen, lockSessionsAndFamilies } from './sightings.store.ts';

/** A suspicious sign-in, detected only after its holder could already act. */
type SuspiciousSignIn = {
  readonly userId: string;
  /** Only this session ends if nothing was added since. If undefined, every session ends. */
  readonly sessionId?: string;
  /** When it was recorded, by the database's clock. */
  readonly since: string;
};

/**
 * Ends the session of a suspicious sign-in and removes what was added since. An attacker who replaced the session, opened
 * another, or added a credential before detection would keep access: in that case every session and family of the user
 * ends, with all API keys, devices and mailed codes. Row triggers write an event for each. The caller has locked the
 * user; accounts and consents, then every session and family, are locked in the order of other writers before any ends.
 * @param reason stored with API keys
 */
export async function undoSince(
  tx: Tx,
  { userId, sessionId, since }: SuspiciousSignIn,
  reason: string,
  caller: Caller,
): Promise<void> {
  const isLinked = await unlinkSince(tx, userId, since);
  await endConsentsSince(tx, { userId, since }, reason, caller);
  await lockSessionsAndFamilies(tx, userId);
  const isSessionEnded = sessionId !== undefined && (await endSessionRow(tx, sessionId));
  const mustEndAll = !isSessionEnded || isLinked || (await isMoreOpen(tx, userId, since));
  if (mustEndAll) await endEverythingOf(tx, userId);
  await takeFactorsSince(tx, userId, since);
  await endKeysSince(tx, userId, since, reason);
}
