import { setAuditContext } from '#services/core/audit/audit-context.ts';
import type { HasKeyRing } from '#services/core/keys/key-ring.ts';
import type { Caller, Ports, Tx } from '#services/core/ports.ts';
import { normaliseEmail } from '#services/platform/define/email.ts';
import { emailTaken, loginLocked } from '../contracts/sign-in-errors.ts';
import { deleteCodes } from '../mail/one-time-codes.store.ts';
import { type MailPorts, queueMail } from '../mail/queue-mail.ts';
import { lockOwnSession } from '../sessions/lock-own-session.ts';
import { ASK_AGAIN_SECONDS, accountKeyOf } from '../sign-in/sign-in-counters.ts';
import { isSignInUnevaluated, replaceEmail } from '../users/accounts.store.ts';
import { isSteppedUp } from '../users/sign-in-failures.store.ts';

/** Sealing and detections run every few seconds. */
const EVALUATION_SECONDS = 5;

/**
 * Requests a new address. It takes effect when the code sent to it is redeemed, and the old address is then notified.
 * The code is valid as long as the session that asked for it: any end of all sessions voids it. If another account has the address, the response is the same, and
 * a mail notifies the owner of that account instead. Throws `unauthenticated` (401) if the caller's session has ended.
 */
export async function changeEmail(
  ports: Pick<Ports, 'transact'> & MailPorts,
  { newEmail, page }: { readonly newEmail: string; readonly page?: string | undefined },
  caller: Caller,
): Promise<{ readonly status: 'verification_sent' }> {
  await ports.transact(async (tx) => {
    await setAuditContext(tx, caller);
    const { userId, sessionId, tokenEpoch: userEpoch } = await lockOwnSession(tx, caller);
    const to = normaliseEmail(newEmail);
    await queueMail(tx, ports, { template: 'change_email', to, userId, userEpoch, sessionId, page }, caller);
  });
  return { status: 'verification_sent' };
}

type Replaced = {
  readonly id: string;
  /** The old address. */
  readonly email: string;
  readonly to: string;
  readonly isVerified: boolean;
};

/**
 * Replaces the address of an account, voids its codes and tells the old address. Sessions go on. The caller has locked
 * the user, and maps a violated constraint with `asEmailTaken`.
 * @throws loginLocked (429) after the action `step_up`, or before detections have evaluated a sign-in
 */
export async function replaceAddress(
  tx: Tx,
  ports: MailPorts & HasKeyRing,
  { id, email, to, isVerified }: Replaced,
  caller: Caller,
): Promise<void> {
  // The key of the lock is the old address, so a new address would lose the lock. It changes after the account is
  // unlocked.
  if (await isSteppedUp(tx, accountKeyOf(ports, email))) throw loginLocked({ retryAfterSeconds: ASK_AGAIN_SECONDS });
  // Wait until detections have evaluated the last sign-in: if an attacker could replace the address first, the
  // attacker would get the unlock mail, and the owner could not take the address back.
  if (await isSignInUnevaluated(tx, id)) throw loginLocked({ retryAfterSeconds: EVALUATION_SECONDS });
  await replaceEmail(tx, id, to, isVerified);
  await deleteCodes(tx, id, email);
  await queueMail(tx, ports, { template: 'email_changed', to: email }, caller);
}

/** Another account has taken the address in the meantime. */
export const asEmailTaken = (err: unknown): never => {
  throw (err as { code?: unknown }).code === '23505' ? emailTaken({ cause: err }) : err;
};
