import { recordEvent, setAuditContext } from '#services/core/audit/record-event.ts';
import type { Caller, HashAdmission, Ports, Tx } from '#services/core/ports.ts';
import { accountPasswordTaken } from '../audit-events.ts';
import { findAccount, insertPassword, lockUser } from '../users/accounts.store.ts';
import { inQueue, isHashable } from './hash-password.ts';

/** Where a user signed in before: who has no password here yet is asked for there. */
export type FormerPasswords = {
  /** False for a wrong password, and for a user who is not known there; a 503 if the password was not compared. */
  isRight(user: { readonly userId: string; readonly email: string }, password: string): Promise<boolean | Error>;
  /** False from a failure of that place until it answers again. */
  isInUse(): boolean;
  /**
   * The 503 that answers every sign-in that would be refused while that place is away: an answer for its users alone
   * would say which addresses they have. Null while it is asked. Tries after a pause whether it is back.
   */
  away(): Promise<Error | null>;
  /** The password is stored here, in this transaction: it is asked for there no more. */
  taken(tx: Tx, userId: string): Promise<unknown>;
};

/** Null: users have their passwords here. */
export type HasFormerPasswords = { readonly formerPasswords: FormerPasswords | null };

/**
 * Stores the password of a user who has none here, if it is right where the user signed in before. Returns whether the
 * user has a password now, or the 503 of a former provider that did not compare it. The password is in no log, metric
 * or error.
 * @throws hashingBusy (503)
 */
export async function takeFormerPassword(
  ports: Pick<Ports, 'sql' | 'transact' | 'hasher' | 'random'> & HasFormerPasswords,
  { userId, email, password }: { readonly userId: string; readonly email: string; readonly password: string },
  { admission, caller }: { readonly admission: HashAdmission; readonly caller: Caller },
): Promise<boolean | Error> {
  const { formerPasswords, hasher, random } = ports;
  if (formerPasswords === null || !isHashable(password)) return false;
  const away = await formerPasswords.away();
  if (away !== null) return away;
  const isRight = await formerPasswords.isRight({ userId, email }, password);
  if (isRight instanceof Error) return isRight;
  // A user is no longer known there once another sign-in has stored the password here.
  if (!isRight) return typeof (await findAccount(ports.sql, userId))?.digest === 'string';
  const digest = await inQueue(hasher.hash(password, admission));
  await ports.transact(async (tx) => {
    await setAuditContext(tx, caller, 'password_taken_over');
    await lockUser(tx, userId);
    // Another sign-in was faster, or the account is gone.
    if ((await findAccount(tx, userId))?.digest !== null) return;
    await insertPassword(tx, random.uuid(), userId, digest);
    await formerPasswords.taken(tx, userId);
    await recordEvent(tx, caller, accountPasswordTaken, { target: { kind: 'user', id: userId } });
  });
  return true;
}
