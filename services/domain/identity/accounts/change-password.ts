import { setAuditContext } from '#services/domain/audit/audit-context.ts';
import type { Caller } from '#services/domain/ports.ts';
import { isTwoFactors } from '../assurance.ts';
import { ownSession } from '../factors/own-session.ts';
import { proveOwnPassword } from '../factors/prove-own-password.ts';
import { type MailPorts, queueMail } from '../mail/queue-mail.ts';
import { beginLogin, type LoginAnswer } from '../sessions/open-session.ts';
import { finishOrEnd } from '../sign-in/finish-sign-in.ts';
import type { LoginPorts } from '../sign-in/sign-in.ts';
import { replacePassword } from './accounts.store.ts';
import { lockOwnSession } from './lock-own-session.ts';
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
 * Another password for the caller's account. Every session, login and access token of before ends, the caller's too;
 * the answer is a new session with its pair, which ends when that one would have. The password proves one factor:
 * a session of two stays as old as it was (`auth_time`). A wrong current password counts as a failed login.
 * @throws unauthenticated (401), currentPasswordWrong (403), loginLocked (429), the `passwordErrors` (400),
 *   hashingBusy (503)
 */
export async function changePassword(
  ports: LoginPorts & MailPorts,
  { currentPassword, newPassword, cookie, signal }: ChangePasswordInput,
  caller: Caller,
): Promise<LoginAnswer> {
  const { authTime } = ownAccount(caller);
  const { userId } = await ownSession(ports, caller);
  const owner = await proveOwnPassword(ports, userId, { password: currentPassword, cookie, signal }, caller);
  const { hasSecondFactor: keepsSecondFactor } = owner;
  const digest = await newDigest(ports, { password: newPassword, owner, keepsSecondFactor, signal }, caller);
  const login = await ports.auth.transact(async (tx) => {
    await setAuditContext(tx, caller, 'password_changed');
    // Another password would have ended this session: the one that was proved is still the account's.
    const { amr, acr, expiresAt, email } = await lockOwnSession(tx, caller);
    await replacePassword(tx, userId, digest);
    tx.afterCommit(ports.announceRevocations);
    await deleteCodes(tx, userId, email);
    await queueMail(tx, ports, { template: 'password_changed', to: email }, caller);
    const proved = isTwoFactors(acr)
      ? { assurance: { amr, acr }, createdAt: new Date(authTime * 1_000) }
      : { assurance: { amr: [...new Set([...amr, 'pwd'])], acr } };
    const opened = await ports.auth.openSession({ userId, expiresAt, ...proved }, caller.request);
    return beginLogin(tx, ports, opened, caller);
  });
  // The password is changed, whatever becomes of the session.
  return finishOrEnd(ports, login, { cookie }, caller);
}
