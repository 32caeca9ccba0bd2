import type { HasKeyRing } from '#services/domain/keys/key-ring.ts';
import type { Caller, Tx } from '#services/domain/ports.ts';
import { type MailPorts, queueMail } from '../mail/queue-mail.ts';
import { accountKeyOf } from '../sign-in/sign-in-counters.ts';
import { deleteVoidedCodes } from './one-time-codes.store.ts';

/**
 * Queues the unlock mail to the owner of an account that was locked without their doing, in the transaction that locks
 * it or voids the code of the previous mail. Accounts without a password get one too, because sign-in through their
 * providers is locked as well. Delivery drops the mail if the address is unverified.
 */
export async function offerUnlock(tx: Tx, ports: MailPorts & HasKeyRing, to: string, caller: Caller): Promise<void> {
  await queueMail(
    tx,
    ports,
    { template: 'unlock_account', to, counter: accountKeyOf(ports, to), isUnasked: true },
    caller,
  );
}

/** Deletes unlock codes that the end of every session has just voided. Returns whether there were any. */
export const takeVoidedUnlock = (tx: Tx, userId: string): Promise<boolean> =>
  deleteVoidedCodes(tx, userId, 'unlock_account');
