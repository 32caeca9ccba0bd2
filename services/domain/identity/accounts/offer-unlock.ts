import type { HasKeyRing } from '#services/domain/keys/key-ring.ts';
import type { Caller, Tx } from '#services/domain/ports.ts';
import { type MailPorts, queueMail } from '../mail/queue-mail.ts';
import { accountKeyOf } from '../sign-in/sign-in-counters.ts';
import { deleteVoidedCodes } from './one-time-codes.store.ts';

/**
 * The mail that unlocks, to the owner of an account that was closed without their doing, in the transaction that closes
 * it or ends the code of the mail before; to one without a password too, whose provider's logins are closed as well.
 * Dropped when it is sent where nobody has proved the address.
 */
export async function offerUnlock(tx: Tx, ports: MailPorts & HasKeyRing, to: string, caller: Caller): Promise<void> {
  await queueMail(
    tx,
    ports,
    { template: 'unlock_account', to, counter: accountKeyOf(ports, to), isUnasked: true },
    caller,
  );
}

/** Takes away mailed codes that would unlock and that the end of every login has just voided. Whether there were any. */
export const takeVoidedUnlock = (tx: Tx, userId: string): Promise<boolean> =>
  deleteVoidedCodes(tx, userId, 'unlock_account');
