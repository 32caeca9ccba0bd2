import { setAuditContext } from '#services/core/audit/audit-context.ts';
import type { Caller, Ports } from '#services/core/ports.ts';
import { normaliseEmail } from '#services/platform/define/email.ts';
import { type MailPorts, queueMail } from '../mail/queue-mail.ts';
import { lockOwnSession } from '../sessions/lock-own-session.ts';

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
