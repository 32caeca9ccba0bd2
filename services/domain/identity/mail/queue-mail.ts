import { mailContext } from '#services/domain/keys/secrets/sealed-contexts.ts';
import type { Caller, Ports, Tx } from '#services/domain/ports.ts';
import { insertMail } from './mail.store.ts';
import type { MailRequest } from './mails.ts';

type HasMailer = {
  readonly mailer: {
    /** Origin of links in mails: the configured one, never that of a request. */
    readonly publicUrl: string;
    /** Tells the workers that mails wait; without it they find them a little later. */
    readonly wake: () => void;
  };
};

export type HasVerificationRule = {
  /** An account begins when its address is proved, and no session before. */
  readonly verificationRequired: boolean;
};

export type MailPorts = Pick<Ports, 'vault' | 'random'> & HasMailer;

/**
 * Asks for a mail in the transaction that gives cause to it: one row, whoever the recipient is and whether or not an
 * account has the address, so that neither the answer nor its time tells. What it says is decided when it is sent.
 * @returns the id of the mail, and of the code it will carry
 */
export async function queueMail(tx: Tx, ports: MailPorts, mail: MailRequest, caller: Caller): Promise<string> {
  const { vault, random, mailer } = ports;
  const id = random.uuid();
  const content = JSON.stringify({ ...mail, publicUrl: mailer.publicUrl });
  await insertMail(tx, {
    id,
    template: mail.template,
    sealed: vault.seal(Buffer.from(content), mailContext(id)),
    traceparent: caller.request.traceparent,
  });
  tx.afterCommit(() => mailer.wake());
  return id;
}
