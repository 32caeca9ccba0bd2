import type { Caller } from '#services/core/ports.ts';
import { unauthenticated } from '#services/platform/errors.ts';
import { currentPasswordWrong } from '../contracts/account-errors.ts';
import { admissionOf, inQueue, isHashable } from '../passwords/hash-password.ts';
import { ownSession } from '../sessions/own-session.ts';
import type { SignInPorts } from '../sign-in/sign-in.ts';
import { admitSignIn, countSignInFailure } from '../sign-in/sign-in-guard.ts';
import { type AccountRow, findAccount } from '../users/accounts.store.ts';

export type OwnPassword = {
  readonly password: string;
  readonly cookie?: string | undefined;
  readonly signal?: AbortSignal | undefined;
};

/**
 * Verifies the caller's password if the request has one. Throws as `verifyOwnPassword`.
 */
export async function verifySentPassword(
  ports: SignInPorts,
  { password, ...request }: Omit<OwnPassword, 'password'> & { readonly password?: string | undefined },
  caller: Caller,
): Promise<void> {
  if (password === undefined) return;
  const { userId } = await ownSession(ports, caller);
  await verifyOwnPassword(ports, userId, { password, ...request }, caller);
}

/**
 * Verifies the caller's password and returns the account with its digest. A wrong password counts as a failed sign-in.
 * @throws unauthenticated (401) if the account is deleted or disabled, currentPasswordWrong (403), loginLocked (429),
 *   hashingBusy (503)
 */
export async function verifyOwnPassword(
  ports: SignInPorts,
  userId: string,
  { password, cookie, signal }: OwnPassword,
  caller: Caller,
): Promise<AccountRow & { readonly digest: string }> {
  const account = await findAccount(ports.sql, userId);
  if (!account || account.isDisabled) throw unauthenticated();
  const { email, digest, devicesSince } = account;
  const admitted = await admitSignIn(ports, { email, cookie, devicesSince }, caller);
  const isRight =
    digest !== null &&
    isHashable(password) &&
    (await inQueue(ports.hasher.verify(password, digest, admissionOf(caller, signal, admitted.isKnownDevice))));
  if (isRight) return { ...account, digest };
  await ports.transact((tx) => countSignInFailure(tx, admitted, userId, caller));
  throw currentPasswordWrong();
}
