import { mailContext } from '#services/core/keys/secrets/sealed-contexts.ts';
import type { Caller, Ports, Tx } from '#services/core/ports.ts';
import { insertMail } from './mail.store.ts';
import type { MailRequest } from './mails.ts';

type HasMailer = {
  readonly mailer: {
    /** Origin of links in mails: from the configuration, never from a request. */
    readonly publicUrl: string;
    /** Notifies the workers that mails wait; otherwise they find them a little later. */
    readonly wake: () => void;
  };
};

export type HasVerificationRule = {
  /** Accounts are created, and sessions opened, only after the address is verified. */
  readonly verificationRequired: boolean;
};

export type MailPorts = Pick<Ports, 'vault' | 'random'> & HasMailer;

/**
 * Queues a mail in the transaction that causes it. Writes one row whether or not an account has the address, so that
 * neither the response nor its timing reveals it. The text is decided when the mail is sent.
 * @returns the id of the mail and of the code it will carry
 */
export async function queueMail(tx: Tx, ports: MailPorts, mail: MailRequest, caller: Caller): Promise<string> {
  const { vault, random, mailer } = ports;
  const id = random.uuid();
  const content = JSON.stringify({ ...mail, publicUrl: mailer.publicUrl, language: caller.request.language });
  await insertMail(tx, {
    id,
    template: mail.template,
    sealed: vault.seal(Buffer.from(content), mailContext(id)),
    traceparent: caller.request.traceparent,
  });
  tx.afterCommit(() => mailer.wake());
  return id;
}
