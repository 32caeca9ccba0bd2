import { setAuditContext } from '../../audit/audit-context.ts';
import type { Caller, Ports } from '../../ports.ts';
import { normaliseEmail } from '../email.ts';
import { type MailPorts, queueMail } from '../mail/queue-mail.ts';

type AskPorts = Pick<Ports, 'transact'> & MailPorts;

/** What is said whether or not an account has the address. */
export type MailAsked = { readonly status: 'mail_sent_if_known' };

const askFor =
  (template: 'verify_email' | 'reset_password' | 'unlock_account') =>
  async (ports: AskPorts, { email }: { readonly email: string }, caller: Caller): Promise<MailAsked> => {
    await ports.transact(async (tx) => {
      await setAuditContext(tx, caller);
      await queueMail(tx, ports, { template, to: normaliseEmail(email) }, caller);
    });
    return { status: 'mail_sent_if_known' };
  };

/**
 * Another mail with a code that proves the address, where it waits for a proof. One insert in every case: nothing is
 * looked up before the answer (U6).
 */
export const sendVerificationEmail = askFor('verify_email');

/** A mail with a code for a new password, where an account has the address. One insert in every case (U6). */
export const requestPasswordReset = askFor('reset_password');

/** A mail with a code that unlocks, where an account has the address, locked or not. One insert in every case (U6). */
export const requestUnlock = askFor('unlock_account');
