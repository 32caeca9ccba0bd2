import { setAuditContext } from '#services/core/audit/audit-context.ts';
import type { HasKeyRing } from '#services/core/keys/key-ring.ts';
import type { Caller, Ports } from '#services/core/ports.ts';
import { normaliseEmail } from '#services/platform/define/email.ts';
import type { MailRequest } from '../mail/mails.ts';
import { type MailPorts, queueMail } from '../mail/queue-mail.ts';
import { accountKeyOf } from '../sign-in/sign-in-counters.ts';

type AskPorts = Pick<Ports, 'transact'> & MailPorts;

type AskForMail = {
  readonly email: string;
  /** Address of a page of an application, on an allowed origin: see the use of each mail in `MailRequest`. */
  readonly page?: string | undefined;
};

/** The response is the same whether or not an account has the address. */
type MailAsked = { readonly status: 'mail_sent_if_known' };

const askFor =
  <P extends AskPorts>(mailTo: (to: string, ports: P, page: string | undefined) => MailRequest) =>
  async (ports: P, { email, page }: AskForMail, caller: Caller): Promise<MailAsked> => {
    await ports.transact(async (tx) => {
      await setAuditContext(tx, caller);
      await queueMail(tx, ports, mailTo(normaliseEmail(email), ports, page), caller);
    });
    return { status: 'mail_sent_if_known' };
  };

/**
 * Sends another verification code if the address is unverified. Before the response, every address costs one insert,
 * and no account is looked up.
 */
export const sendVerificationEmail = askFor((to, _ports, page) => ({ template: 'verify_email', to, page }));

/** Sends a code for a new password if an account has the address. Every address costs one insert. */
export const requestPasswordReset = askFor((to, _ports, page) => ({ template: 'reset_password', to, page }));

/**
 * Sends an unlock code if an account has the address and wrong passwords are counted against it. Every address costs
 * one insert.
 */
export const requestUnlock = askFor<AskPorts & HasKeyRing>((to, ports) => ({
  template: 'unlock_account',
  to,
  counter: accountKeyOf(ports, to),
}));
