import { setAuditContext } from '#services/domain/audit/audit-context.ts';
import type { Caller, Ports } from '#services/domain/ports.ts';
import { normaliseEmail } from '../email.ts';
import { type MailPorts, queueMail } from '../mail/queue-mail.ts';
import { lockOwnSession } from './lock-own-session.ts';

/**
 * Asks for another address: it takes effect when the code sent there is redeemed, unless every login of the account
 * has ended before; the old one is told then. The answer is the same when another account has the address; its owner
 * is told instead. Throws `unauthenticated` (401) where the caller's session is over.
 */
export async function changeEmail(
  ports: Pick<Ports, 'transact'> & MailPorts,
  { newEmail }: { readonly newEmail: string },
  caller: Caller,
): Promise<{ readonly status: 'verification_sent' }> {
  await ports.transact(async (tx) => {
    await setAuditContext(tx, caller);
    const { userId, tokenEpoch: userEpoch } = await lockOwnSession(tx, caller);
    await queueMail(tx, ports, { template: 'change_email', to: normaliseEmail(newEmail), userId, userEpoch }, caller);
  });
  return { status: 'verification_sent' };
}
