import type { Caller, Ports, Tx } from '#services/core/ports.ts';
import { voidInvitation } from '../mail/invitations.store.ts';
import { admissionOf, inQueue } from '../passwords/hash-password.ts';
import { assertPasswordAllowed, type HasPasswordPolicy } from '../passwords/password-policy.ts';
import { endEverySession } from '../sessions/sessions.store.ts';
import {
  type AccountRow,
  deleteFactors,
  deleteOtherAccounts,
  insertPassword,
  markEmailVerified,
  replacePassword,
} from '../users/accounts.store.ts';

export type NewPasswordPorts = HasPasswordPolicy & Pick<Ports, 'sql' | 'log' | 'hasher'>;

type NewPassword = {
  readonly password: string;
  readonly owner: Pick<AccountRow, 'email' | 'name' | 'roles'>;
  /** The account will require a second factor besides this password. */
  readonly keepsSecondFactor?: boolean;
  readonly signal?: AbortSignal | undefined;
};

/**
 * Checks a new password and returns its digest; call it outside of transactions. Throws the `passwordErrors` (400),
 * `hashing_busy`.
 */
export async function newDigest(
  ports: NewPasswordPorts,
  { password, owner, keepsSecondFactor: hasSecondFactor = false, signal }: NewPassword,
  caller: Caller,
): Promise<string> {
  const { email, name, roles } = owner;
  await assertPasswordAllowed(ports, password, { email, name: name ?? undefined, roles, hasSecondFactor, caller });
  return inQueue(ports.hasher.hash(password, admissionOf(caller, signal)));
}

/**
 * Sets the password of an account, ends every existing session and verifies an unverified address. An attacker may have
 * created an account with an unverified address, so its other sign-in methods, its factors and the roles granted for an
 * invited person are removed. The caller has locked the user and read `account` under that lock.
 */
export async function resetCredentials(
  tx: Tx,
  { random }: Pick<Ports, 'random'>,
  account: Pick<AccountRow, 'id' | 'email' | 'emailVerified' | 'digest'>,
  digest: string,
): Promise<void> {
  if (!account.emailVerified) {
    await deleteOtherAccounts(tx, account.id);
    await deleteFactors(tx, account.id);
    await voidInvitation(tx, account.id);
    await markEmailVerified(tx, account.id, account.email);
  }
  if (account.digest !== null) {
    await replacePassword(tx, account.id, digest);
  } else {
    await endEverySession(tx, account.id);
    await insertPassword(tx, random.uuid(), account.id, digest);
  }
}
