import { recordEvent, setAuditContext } from '#services/core/audit/record-event.ts';
import { ownAccount } from '#services/core/authority/own-account.ts';
import type { Caller, Ports, Tx } from '#services/core/ports.ts';
import { unauthenticated } from '#services/platform/errors.ts';
import { userProfileChanged } from '../audit-events.ts';
import type { UserView } from '../contracts/sign-in-contract.ts';
import type { HasAuth } from '../sessions/auth.ts';
import { userView } from '../sessions/live-session.ts';
import { lockOwnSession } from '../sessions/lock-own-session.ts';
import { findAccount, writeProfile } from '../users/accounts.store.ts';
import { forgetSessions } from './forget-sessions.ts';

/**
 * Fields that the owner may change without authenticating again. Undefined leaves a field unchanged, null clears it.
 */
export type ProfileChange = { readonly name?: string | null | undefined; readonly image?: string | null | undefined };

/**
 * Changes name and picture of the caller's account. Throws `unauthenticated` (401) if the account or session no longer
 * exists.
 */
export async function updateProfile(
  ports: Pick<Ports, 'transact'> & HasAuth,
  change: ProfileChange,
  caller: Caller,
): Promise<{ readonly user: UserView }> {
  return ports.transact(async (tx) => {
    const { userId } = await lockOwnSession(tx, caller);
    return changeProfile(tx, ports, userId, change, caller);
  });
}

/**
 * The same for a user that the caller of this function has authenticated. Throws `unauthenticated` (401) if the user
 * does not exist.
 */
export async function changeProfile(
  tx: Tx,
  ports: HasAuth,
  userId: string,
  change: ProfileChange,
  caller: Caller,
): Promise<{ readonly user: UserView }> {
  await setAuditContext(tx, caller, 'profile_changed');
  const fields = (['name', 'image'] as const).filter((field) => change[field] !== undefined);
  if (fields.length > 0 && (await writeProfile(tx, userId, change))) {
    await recordEvent(tx, caller, userProfileChanged, { target: { kind: 'user', id: userId }, detail: { fields } });
    await forgetSessions(tx, ports, userId);
  }
  const account = await findAccount(tx, userId);
  if (!account) throw unauthenticated();
  return { user: userView(account) };
}

/** Reads the caller's account. Throws `unauthenticated` (401) if it no longer exists. */
export async function readProfile(
  ports: Pick<Ports, 'sql'>,
  _input: unknown,
  caller: Caller,
): Promise<{ readonly user: UserView }> {
  const account = await findAccount(ports.sql, ownAccount(caller).userId);
  if (!account) throw unauthenticated();
  return { user: userView(account) };
}
