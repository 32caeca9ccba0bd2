import { setAuditContext } from '../../audit/audit-context.ts';
import type { Caller, Ports } from '../../ports.ts';
import { normaliseEmail } from '../email.ts';
import { type MailPorts, queueMail } from '../mail/queue-mail.ts';
import { ownAccount } from './own-account.ts';

/**
 * Asks for another address: it takes effect when the code sent there is redeemed, and the old one is told then. The
 * answer is the same when another account has the address; its owner is told instead.
 */
export async function changeEmail(
  ports: Pick<Ports, 'transact'> & MailPorts,
  { newEmail }: { readonly newEmail: string },
  caller: Caller,
): Promise<{ readonly status: 'verification_sent' }> {
  const { userId } = ownAccount(caller);
  await ports.transact(async (tx) => {
    await setAuditContext(tx, caller);
    await queueMail(tx, ports, { template: 'change_email', to: normaliseEmail(newEmail), userId }, caller);
  });
  return { status: 'verification_sent' };
}
