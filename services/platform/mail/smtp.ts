import { createTransport } from 'nodemailer';
import { MailRefusedError, type MailTransport } from '../../domain/ports.ts';
import { mailOptionsOf } from './encode.ts';

export type SmtpSettings = {
  /** `smtp://` or `smtps://`, with user and password where the server asks for them. */
  readonly url: string;
  readonly from: string;
  /** False only for a server on this machine: elsewhere a mail leaves encrypted or not at all (STARTTLS, RFC 3207). */
  readonly requireTls: boolean;
};

const WAIT_MS = 10_000;
const CONNECTIONS = 4;

/** Mails by SMTP, over a few connections that are kept. */
export function createSmtpTransport({ url, from, requireTls }: SmtpSettings): MailTransport {
  const transport = createTransport({
    url,
    pool: true,
    maxConnections: CONNECTIONS,
    ...(requireTls ? { requireTLS: true } : {}),
    connectionTimeout: WAIT_MS,
    greetingTimeout: WAIT_MS,
    socketTimeout: 2 * WAIT_MS,
    logger: false,
  });
  return {
    send: async (mail) => {
      try {
        await transport.sendMail(mailOptionsOf(mail, from));
      } catch (err) {
        const { responseCode, command } = err as { responseCode?: unknown; command?: unknown };
        // RFC 5321 §4.2.1: 5yz stays so, for this recipient or this mail. A refused login may be mended.
        const isFinal = typeof responseCode === 'number' && responseCode >= 550 && responseCode < 560;
        if (isFinal && command !== 'AUTH' && command !== 'CONN') throw new MailRefusedError(`smtp_${responseCode}`);
        throw err;
      }
    },
    close: async () => transport.close(),
  };
}
