import { endKeysSince } from '../api-keys/end-keys-since.ts';
import { takeFactorsSince, unlinkSince } from '../identity/sign-in/credentials-since.ts';
import { endConsentsSince } from '../oauth/consents/end-consents-since.ts';
import type { Caller, Tx } from '../ports.ts';
import { endEverythingOf, endSessionRow, holdLogins, isMoreOpen } from './sightings.store.ts';

/** A login that was seen too late: what its holder could do in between. */
type SeenLogin = {
  readonly userId: string;
  /** Ends alone where nothing else came of it; undefined: everything ends. */
  readonly sessionId?: string;
  /** When it was recorded, by the database's clock. */
  readonly since: string;
};

/**
 * Ends a login and takes back what may have come of it. Whoever replaced the session, opened another, or gave the account
 * another way in before anybody looked would outlive its end: then every login of the user ends, all API keys, devices
 * and mailed codes with them. Row triggers write an event of each. The user is held by the caller; accounts and
 * consents, then every session and family, are taken in the order of other writers before the first of them ends.
 * @param reason stored with API keys
 */
export async function undoSince(
  tx: Tx,
  { userId, sessionId, since }: SeenLogin,
  reason: string,
  caller: Caller,
): Promise<void> {
  const isLinked = await unlinkSince(tx, userId, since);
  await endConsentsSince(tx, { userId, since }, reason, caller);
  await holdLogins(tx, userId);
  const isEndedHere = sessionId !== undefined && (await endSessionRow(tx, sessionId));
  const isOutrun = !isEndedHere || isLinked || (await isMoreOpen(tx, userId, since));
  if (isOutrun) await endEverythingOf(tx, userId);
  await takeFactorsSince(tx, userId, since);
  await endKeysSince(tx, userId, since, reason);
}
