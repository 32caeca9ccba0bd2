import { unauthenticated } from '../../../platform/errors.ts';
import { setAuditContext } from '../../audit/audit-context.ts';
import type { Caller, Tx } from '../../ports.ts';
import { currentPasswordWrong } from '../account-errors.ts';
import { type Assurance, PASSWORD_ALONE } from '../assurance.ts';
import { finishOrEnd } from '../finish-login.ts';
import { admissionOf, inQueue } from '../hash-password.ts';
import { admitLogin, countLoginFailure } from '../login-guard.ts';
import { type MailPorts, queueMail } from '../mail/queue-mail.ts';
import { beginLogin, type LoginAnswer } from '../open-session.ts';
import { isHashable } from '../password-policy.ts';
import type { LoginPorts } from '../sign-in.ts';
import { findAccount, lockUser, readAssurance, replacePassword } from './accounts.store.ts';
import { deleteCodes } from './one-time-codes.store.ts';
import { ownAccount } from './own-account.ts';
import { newDigest } from './set-password.ts';

export type ChangePasswordInput = {
  readonly currentPassword: string;
  readonly newPassword: string;
  /** The Cookie header: a browser that has signed in before keeps its place while others are locked out. */
  readonly cookie?: string | undefined;
  readonly signal?: AbortSignal;
};

/**
 * Another password for the caller's account. Every session, login and access token of before ends, the caller's too
 * (U7); the answer is a new session with its pair, as well proved as the one before. A wrong current password counts as a failed login.
 * @throws currentPasswordWrong (403), loginLocked (429), the `passwordErrors` (400), hashingBusy (503)
 */
export async function changePassword(
  ports: LoginPorts & MailPorts,
  { currentPassword, newPassword, cookie, signal }: ChangePasswordInput,
  caller: Caller,
): Promise<LoginAnswer> {
  const { userId, sessionId } = ownAccount(caller);
  const account = await findAccount(ports.sql, userId);
  if (!account || account.isDisabled) throw unauthenticated();
  const { email, digest } = account;
  const admitted = await admitLogin(ports, { email, cookie }, caller);
  const isRight =
    digest !== null &&
    isHashable(currentPassword) &&
    (await inQueue(ports.hasher.verify(currentPassword, digest, admissionOf(caller, signal, admitted.isKnownDevice))));
  if (!isRight) {
    await ports.transact((tx) => countLoginFailure(tx, admitted, userId, caller));
    throw currentPasswordWrong();
  }
  const provenDigest = await newDigest(ports, { password: newPassword, owner: account, signal }, caller);
  const login = await ports.auth.transact(async (tx) => {
    await setAuditContext(tx, caller, 'password_changed');
    await lockUser(tx, userId);
    const assurance = await assuranceOf(tx, sessionId);
    if (!(await replacePassword(tx, userId, digest, provenDigest))) throw currentPasswordWrong();
    tx.afterCommit(ports.announceRevocations);
    await deleteCodes(tx, userId, email);
    await queueMail(tx, ports, { template: 'password_changed', to: email }, caller);
    const opened = await ports.auth.openSession({ userId, assurance }, caller.request);
    return beginLogin(tx, ports, opened, caller);
  });
  // The password is changed, whatever becomes of the session.
  return finishOrEnd(ports, login, { cookie }, caller);
}

const assuranceOf = async (tx: Tx, sessionId: string | null): Promise<Assurance> =>
  (sessionId === null ? undefined : await readAssurance(tx, sessionId)) ?? PASSWORD_ALONE;
