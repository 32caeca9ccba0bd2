import { lockKnownRoles } from '#services/core/access/role-rights.ts';
import { recordEvent, setAuditContext } from '#services/core/audit/record-event.ts';
import type { HasKeyRing } from '#services/core/keys/key-ring.ts';
import type { Caller, Ports, Tx } from '#services/core/ports.ts';
import {
  assertMayIssue,
  type HasRevocationPush,
  type HasRevocations,
} from '#services/core/revocations/revocation-set.ts';
import { secondFactorRequired } from '#services/platform/errors.ts';
import { userEmailVerified } from '../audit-events.ts';
import { secondFactorRefused } from '../contracts/factors-errors.ts';
import { type SentCode, type VerifiedCode, verifyCode } from '../factors/verify-code.ts';
import { readInvitation, takeInvitation } from '../mail/invitations.store.ts';
import { deleteCodes } from '../mail/one-time-codes.store.ts';
import { findCode, type MailedCode, redeemCode } from '../mail/one-time-codes.ts';
import { type MailPorts, queueMail } from '../mail/queue-mail.ts';
import { factorsOf } from '../sessions/admit-session.ts';
import type { HasAuth } from '../sessions/auth.ts';
import { lockOwnSession } from '../sessions/lock-own-session.ts';
import { findByCookie } from '../sessions/read-session.ts';
import { userCaller } from '../sign-in/finish-sign-in.ts';
import { clearSignInFailures } from '../sign-in/sign-in-guard.ts';
import { type AccountRow, findAccount } from '../users/accounts.store.ts';
import { isTwoFactors } from '../users/assurance.ts';
import { addUserRole } from '../users/users.store.ts';
import { recordRefusal, refuseCode } from './refuse-code.ts';
import { type NewPasswordPorts, newDigest, resetCredentials } from './set-password.ts';

type PasswordByCodePorts = Pick<Ports, 'transact' | 'clock'> &
  NewPasswordPorts &
  HasAuth &
  MailPorts &
  HasKeyRing &
  HasRevocations &
  HasRevocationPush;

type PasswordByCodeInput = SentCode & {
  readonly token: MailedCode;
  /** The Cookie header: a session of this browser that has the second factor of the account proves it. */
  readonly cookie?: string | undefined;
  readonly newPassword: string;
  readonly signal?: AbortSignal;
};

const byCode =
  <const Status extends string>(purpose: 'reset_password' | 'invitation', status: Status) =>
  async (
    ports: PasswordByCodePorts,
    { token, newPassword, signal, ...factor }: PasswordByCodeInput,
    caller: Caller,
  ): Promise<{ readonly status: Status }> => {
    assertMayIssue(ports.revocations);
    const userId = (await findCode(ports.sql, purpose, token))?.user_id;
    const owner = userId ? await findAccount(ports.sql, userId) : undefined;
    if (!owner) return refuseCode(ports.sql, caller);
    const invited = purpose === 'invitation' ? ((await readInvitation(ports.sql, owner.id))?.roles ?? []) : [];
    const ownerToBe = { ...owner, roles: [...owner.roles, ...invited] };
    // If the address is unverified, `resetCredentials` removes the factors.
    const keepsSecondFactor = keepsFactor(owner);
    const proof = keepsSecondFactor ? await verifyFactor(ports, owner.id, factor, caller) : undefined;
    const asked = { password: newPassword, owner: ownerToBe, keepsSecondFactor, signal };
    const digest = await newDigest(ports, asked, caller);
    const isSet = await ports.transact(async (tx) => {
      await setAuditContext(tx, caller, status);
      const held = await lockKnownRoles(tx, invited);
      const mailed = await redeemCode(tx, ports, [purpose], token);
      const account = mailed?.userId ? await findAccount(tx, mailed.userId) : undefined;
      if (!account || account.isDisabled || account.email !== mailed?.email) return false;
      // An address verified by other means has no invitation to accept.
      if (purpose === 'invitation' && account.emailVerified) return false;
      // The code stays valid: the mail proves one factor, and the account may have got another one meanwhile.
      if (keepsFactor(account) && !(await proof?.use(tx))) throw secondFactorRefused();
      const granted = purpose === 'invitation' ? await takeInvitation(tx, account.id) : undefined;
      tx.afterCommit(ports.announceRevocations);
      await resetCredentials(tx, ports, account, digest);
      for (const role of held) if (granted?.includes(role)) await addUserRole(tx, account.id, role);
      const target = { kind: 'user', id: account.id } as const;
      if (!account.emailVerified) await recordEvent(tx, caller, userEmailVerified, { target });
      await deleteCodes(tx, account.id, account.email);
      await clearSignInFailures(tx, ports, account.email);
      if (account.digest !== null)
        await queueMail(tx, ports, { template: 'password_changed', to: account.email }, caller);
      return true;
    });
    return isSet ? { status } : refuseCode(ports.sql, caller);
  };

/** Whether a reset leaves the second factor of the account: that of an unverified address may be an attacker's. */
const keepsFactor = ({ hasSecondFactor, emailVerified }: AccountRow): boolean => hasSecondFactor && emailVerified;

/**
 * A mailed code proves one factor. Verifies the other, by a code or by a session of this browser that has it.
 * @throws secondFactorRequired (401) with the `factors` if none was sent, secondFactorRefused (401), secondFactorLocked (429)
 */
async function verifyFactor(
  ports: PasswordByCodePorts,
  userId: string,
  { totp, recoveryCode, cookie }: SentCode & { readonly cookie?: string | undefined },
  caller: Caller,
): Promise<{ use(tx: Tx): ReturnType<VerifiedCode['use']> | Promise<boolean> }> {
  if (totp !== undefined || recoveryCode !== undefined) {
    const verified = await verifyCode(ports, userId, { totp, recoveryCode });
    if (verified !== null) return verified;
    await recordRefusal(ports.sql, caller);
    throw secondFactorRefused();
  }
  const live = await findByCookie(ports, cookie);
  if (live?.user.id !== userId || !isTwoFactors(live.session.acr))
    throw secondFactorRequired({ members: { factors: await factorsOf(ports.sql, userId) } });
  const own = { ...userCaller(userId, caller), sessionId: live.session.id };
  return { use: async (tx) => isTwoFactors((await lockOwnSession(tx, own)).assurance.acr) };
}

/**
 * Sets a new password by a mailed code, and by the second factor of an account that has one. Ends every session, token
 * family and access token of the account, verifies its address, and opens no session. Of concurrent calls with one code,
 * exactly one succeeds; a refused password or factor leaves the code valid.
 * @throws codeInvalid (400), secondFactorRequired, secondFactorRefused (401), the `passwordErrors` (400),
 *   secondFactorLocked (429), hashingBusy (503)
 */
export const resetPassword = byCode('reset_password', 'password_reset');

/**
 * Sets the first password of an invited account by the invitation code, like a reset. This alone grants the roles of
 * the invitation, except roles that were deleted since.
 */
export const acceptInvitation = byCode('invitation', 'invitation_accepted');
