import { setAuditContext } from '#services/core/audit/audit-context.ts';
import { ownAccount } from '#services/core/authority/own-account.ts';
import type { Caller } from '#services/core/ports.ts';
import { verifyOwnPassword } from '../factors/verify-own-password.ts';
import { deleteCodes } from '../mail/one-time-codes.store.ts';
import { type MailPorts, queueMail } from '../mail/queue-mail.ts';
import { admitAgain } from '../sessions/admit-session.ts';
import { lockOwnSession } from '../sessions/lock-own-session.ts';
import { createSessionFamily, type SignInAnswer } from '../sessions/open-session.ts';
import { ownSession } from '../sessions/own-session.ts';
import { finishOrEnd } from '../sign-in/finish-sign-in.ts';
import type { SignInPorts } from '../sign-in/sign-in.ts';
import { replacePassword } from '../users/accounts.store.ts';
import { isTwoFactors, withMethod } from '../users/assurance.ts';
import { newDigest } from './set-password.ts';

type ChangePasswordInput = {
  readonly currentPassword: string;
  readonly newPassword: string;
  /** The Cookie header: a browser that has signed in before can still try while unknown devices are locked. */
  readonly cookie?: string | undefined;
  readonly signal?: AbortSignal;
};

/**
 * Changes the caller's password. Every existing session, token family and access token ends, including the caller's.
 * The result is a new session with its token pair; it expires when the old session would have expired. The password
 * verifies only one factor, so a two-factor session keeps its `auth_time`. A wrong current password counts as a failed
 * sign-in.
 * @throws unauthenticated (401), currentPasswordWrong (403), loginLocked (429), the `passwordErrors` (400), hashingBusy
 *   (503)
 */
export async function changePassword(
  ports: SignInPorts & MailPorts,
  { currentPassword, newPassword, cookie, signal }: ChangePasswordInput,
  caller: Caller,
): Promise<SignInAnswer> {
  const { authTime } = ownAccount(caller);
  const { userId } = await ownSession(ports, caller);
  const owner = await verifyOwnPassword(ports, userId, { password: currentPassword, cookie, signal }, caller);
  const { hasSecondFactor: keepsSecondFactor } = owner;
  const digest = await newDigest(ports, { password: newPassword, owner, keepsSecondFactor, signal }, caller);
  const signedIn = await ports.auth.transact(async (tx) => {
    await setAuditContext(tx, caller, 'password_changed');
    // A password change in the meantime would have ended this session, so the verified password is still current.
    const { assurance, expiresAt, email } = await lockOwnSession(tx, caller);
    await replacePassword(tx, userId, digest);
    tx.afterCommit(ports.announceRevocations);
    await deleteCodes(tx, userId, email);
    await queueMail(tx, ports, { template: 'password_changed', to: email }, caller);
    const isSecond = isTwoFactors(assurance.acr);
    const admission = await admitAgain(tx, { userId, assurance: isSecond ? assurance : withMethod(assurance, 'pwd') });
    const createdAt = isSecond ? { createdAt: new Date(authTime * 1_000) } : {};
    const opened = await ports.auth.openSession({ admission, expiresAt, ...createdAt }, caller.request);
    return createSessionFamily(tx, ports, opened, caller);
  });
  // The password stays changed even if opening the session fails.
  return finishOrEnd(ports, signedIn, { cookie }, caller);
}
