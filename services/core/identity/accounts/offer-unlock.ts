import type { HasKeyRing } from '#services/core/keys/key-ring.ts';
import type { Caller, Tx } from '#services/core/ports.ts';
import { deleteVoidedCodes } from '../mail/one-time-codes.store.ts';
import { type MailPorts, queueMail } from '../mail/queue-mail.ts';
import { accountKeyOf } from '../sign-in/sign-in-counters.ts';

/**
 * Queues an unlock mail that the owner did not request, in the transaction that locks the account or voids the code of
 * the previous mail. Accounts without a password get the mail too, because sign-in through other providers is locked as
 * well. Delivery drops the mail if the address is unverified.
 */
export async function offerUnlock(tx: Tx, ports: MailPorts & HasKeyRing, to: string, caller: Caller): Promise<void> {
  await queueMail(
    tx,
    ports,
    { template: 'unlock_account', to, counter: accountKeyOf(ports, to), isUnasked: true },
    caller,
  );
}

/** Deletes the unlock codes that became void when every session ended. Returns whether there were any. */
export const takeVoidedUnlock = (tx: Tx, userId: string): Promise<boolean> =>
  deleteVoidedCodes(tx, userId, 'unlock_account');
