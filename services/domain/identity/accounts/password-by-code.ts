import { lockKnownRoles } from '#services/domain/access/role-rights.ts';
import { setAuditContext } from '#services/domain/audit/audit-context.ts';
import { recordEvent } from '#services/domain/audit/record-event.ts';
import type { HasKeyRing } from '#services/domain/keys/key-ring.ts';
import type { Caller, Ports } from '#services/domain/ports.ts';
import {
  assertMayIssue,
  type HasRevocationPush,
  type HasRevocations,
} from '#services/domain/revocations/revocation-set.ts';
import { userEmailVerified } from '../audit-events.ts';
import { readInvitation, takeInvitation } from '../mail/invitations.store.ts';
import { deleteCodes } from '../mail/one-time-codes.store.ts';
import { findCode, type MailedCode, redeemCode } from '../mail/one-time-codes.ts';
import { type MailPorts, queueMail } from '../mail/queue-mail.ts';
import { clearSignInFailures } from '../sign-in/sign-in-guard.ts';
import { findAccount } from '../users/accounts.store.ts';
import { addUserRole } from '../users/users.store.ts';
import { refuseCode } from './refuse-code.ts';
import { type NewPasswordPorts, newDigest, resetCredentials } from './set-password.ts';

export type PasswordByCodePorts = Pick<Ports, 'transact'> &
  NewPasswordPorts &
  MailPorts &
  HasKeyRing &
  HasRevocations &
  HasRevocationPush;

export type PasswordByCodeInput = {
  readonly token: MailedCode;
  readonly newPassword: string;
  readonly signal?: AbortSignal;
};

const byCode =
  <const Status extends string>(purpose: 'reset_password' | 'invitation', status: Status) =>
  async (
    ports: PasswordByCodePorts,
    { token, newPassword, signal }: PasswordByCodeInput,
    caller: Caller,
  ): Promise<{ readonly status: Status }> => {
    assertMayIssue(ports.revocations);
    const userId = (await findCode(ports.sql, purpose, token))?.userId;
    const owner = userId ? await findAccount(ports.sql, userId) : undefined;
    if (!owner) return refuseCode(ports.sql, caller);
    const invited = purpose === 'invitation' ? ((await readInvitation(ports.sql, owner.id))?.roles ?? []) : [];
    const ownerToBe = { ...owner, roles: [...owner.roles, ...invited] };
    // If the address is unverified, `resetCredentials` removes the factors.
    const keepsSecondFactor = owner.hasSecondFactor && owner.emailVerified;
    const asked = { password: newPassword, owner: ownerToBe, keepsSecondFactor, signal };
    const digest = await newDigest(ports, asked, caller);
    const isSet = await ports.transact(async (tx) => {
      await setAuditContext(tx, caller, status);
      const held = await lockKnownRoles(tx, invited);
      const proof = await redeemCode(tx, ports, [purpose], token);
      const account = proof?.userId ? await findAccount(tx, proof.userId) : undefined;
      if (!account || account.isDisabled || account.email !== proof?.email) return false;
      // An address verified by other means has no invitation to accept.
      if (purpose === 'invitation' && account.emailVerified) return false;
      const granted = purpose === 'invitation' ? await takeInvitation(tx, account.id) : undefined;
      tx.afterCommit(ports.announceRevocations);
      await resetCredentials(tx, ports, account, digest);
      for (const role of held) if (granted?.includes(role)) await addUserRole(tx, account.id, role);
      const target = { kind: 'user', id: account.id } as const;
      if (!account.emailVerified) await recordEvent(tx, caller, userEmailVerified, { outcome: 'ok', target });
      await deleteCodes(tx, account.id, account.email);
      await clearSignInFailures(tx, ports, account.email);
      if (account.digest !== null)
        await queueMail(tx, ports, { template: 'password_changed', to: account.email }, caller);
      return true;
    });
    return isSet ? { status } : refuseCode(ports.sql, caller);
  };

/**
 * Sets a new password by a mailed code. Ends every session, token family and access token of the account, verifies its
 * address, and opens no session, so a second factor is still required. Of concurrent calls with one code, exactly one
 * succeeds; a refused password leaves the code valid.
 * @throws codeInvalid (400), the `passwordErrors` (400), hashingBusy (503)
 */
export const resetPassword = byCode('reset_password', 'password_reset');

/**
 * Sets the first password of an invited account by the invitation code, like a reset. This alone grants the roles of
 * the invitation, except roles that were deleted since.
 */
export const acceptInvitation = byCode('invitation', 'invitation_accepted');
