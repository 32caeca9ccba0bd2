import { setAuditContext } from '../../audit/audit-context.ts';
import { recordEvent } from '../../audit/record-event.ts';
import type { HasKeyRing } from '../../keys/key-ring.ts';
import type { Caller, Ports } from '../../ports.ts';
import type { HasRevocationPush } from '../../tokens/revocation-set.ts';
import { userEmailVerified } from '../audit-events.ts';
import { clearLoginFailures } from '../forgive-login.ts';
import { type MailPorts, queueMail } from '../mail/queue-mail.ts';
import { findAccount } from './accounts.store.ts';
import { deleteCodes } from './one-time-codes.store.ts';
import { findCode, redeemCode } from './one-time-codes.ts';
import { refuseCode } from './refuse-code.ts';
import { type NewPasswordPorts, newDigest, takeOver } from './set-password.ts';

export type ResetPorts = Pick<Ports, 'transact'> & NewPasswordPorts & MailPorts & HasKeyRing & HasRevocationPush;

export type ResetInput = { readonly token: string; readonly newPassword: string; readonly signal?: AbortSignal };

/**
 * A new password by the code that was mailed. Ends every session, login and access token of the account (U7), proves
 * its address, and makes no session: a second factor is still asked for. Of any number of calls with one code one
 * succeeds; a password that is refused costs no code.
 * @throws codeInvalid (400), the `passwordErrors` (400), hashingBusy (503)
 */
export async function resetPassword(
  ports: ResetPorts,
  { token, newPassword, signal }: ResetInput,
  caller: Caller,
): Promise<{ readonly status: 'password_reset' }> {
  const userId = (await findCode(ports.sql, 'reset_password', token))?.userId;
  const owner = userId ? await findAccount(ports.sql, userId) : undefined;
  if (!owner) return refuseCode(ports.sql, caller);
  const digest = await newDigest(ports, { password: newPassword, owner, signal }, caller);
  const isReset = await ports.transact(async (tx) => {
    await setAuditContext(tx, caller, 'password_reset');
    const proof = await redeemCode(tx, ports, ['reset_password'], token);
    const account = proof?.userId ? await findAccount(tx, proof.userId) : undefined;
    if (!account || account.isDisabled || account.email !== proof?.email) return false;
    tx.afterCommit(ports.announceRevocations);
    await takeOver(tx, ports, account, digest);
    const target = { kind: 'user', id: account.id } as const;
    if (!account.emailVerified) await recordEvent(tx, caller, userEmailVerified, { outcome: 'ok', target });
    await deleteCodes(tx, account.id, account.email);
    await clearLoginFailures(tx, ports, account.email);
    await queueMail(tx, ports, { template: 'password_changed', to: account.email }, caller);
    return true;
  });
  return isReset ? { status: 'password_reset' } : refuseCode(ports.sql, caller);
}
