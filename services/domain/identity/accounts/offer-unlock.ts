import type { HasKeyRing } from '../../keys/key-ring.ts';
import type { Caller, Tx } from '../../ports.ts';
import { accountKeyOf } from '../login-counters.ts';
import { type MailPorts, queueMail } from '../mail/queue-mail.ts';
import { findAccount } from './accounts.store.ts';

/**
 * The mail that unlocks, to the owner of an account that was closed without their doing, in the transaction that closes
 * it; to one without a password too, whose provider's logins are closed as well.
 */
export async function offerUnlock(
  tx: Tx,
  ports: MailPorts & HasKeyRing,
  userId: string,
  caller: Caller,
): Promise<void> {
  const account = await findAccount(tx, userId);
  if (!account) return;
  const { email: to } = account;
  await queueMail(
    tx,
    ports,
    { template: 'unlock_account', to, counter: accountKeyOf(ports, to), isUnasked: true },
    caller,
  );
}
