import type { Caller, Ports, Tx } from '#services/domain/ports.ts';
import { admissionOf, inQueue } from '../passwords/hash-password.ts';
import { assertPasswordAllowed, type HasPasswordPolicy } from '../passwords/password-policy.ts';
import {
  type AccountRow,
  deleteFactors,
  deleteOtherAccounts,
  endEveryLogin,
  insertPassword,
  proveEmail,
  replacePassword,
} from './accounts.store.ts';
import { voidInvitation } from './invitations.store.ts';

export type NewPasswordPorts = HasPasswordPolicy & Pick<Ports, 'sql' | 'log' | 'hasher'>;

export type NewPassword = {
  readonly password: string;
  readonly owner: Pick<AccountRow, 'email' | 'name' | 'roles'>;
  /** Beside this password a second factor will be asked for. */
  readonly keepsSecondFactor?: boolean;
  readonly signal?: AbortSignal | undefined;
};

/** The digest of a password that may be used. Outside of transactions. Throws the `passwordErrors` (400), `hashing_busy`. */
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
 * Gives an account this password and ends every login of before; an address not proved before is proved by it.
 * An account whose address nobody had proved may have been made by somebody else: then their other ways in go too, and
 * what it was given for somebody who was invited to it and never came.
 * The user is locked by the caller, and `account` read under that lock.
 */
export async function takeOver(
  tx: Tx,
  { random }: Pick<Ports, 'random'>,
  account: Pick<AccountRow, 'id' | 'email' | 'emailVerified' | 'digest'>,
  digest: string,
): Promise<void> {
  if (!account.emailVerified) {
    await deleteOtherAccounts(tx, account.id);
    await deleteFactors(tx, account.id);
    await voidInvitation(tx, account.id);
    await proveEmail(tx, account.id, account.email);
  }
  if (account.digest !== null) {
    await replacePassword(tx, account.id, digest);
  } else {
    await endEveryLogin(tx, account.id);
    await insertPassword(tx, random.uuid(), account.id, digest);
  }
}
