import { createTransport } from 'nodemailer';
import { MailRefusedError, type MailTransport } from '#services/core/ports.ts';
import { mailOptionsOf } from './encode.ts';

type SmtpSettings = {
  /** `smtp://` or `smtps://`, with user and password if the server requires them. */
  readonly url: string;
  readonly from: string;
  /** False only for a server on this machine; to any other, mail is sent encrypted or not at all (STARTTLS, RFC 3207). */
  readonly requireTls: boolean;
};

const WAIT_MS = 10_000;
const CONNECTIONS = 4;

const optionsOf = ({ url, requireTls }: SmtpSettings) => ({
  url,
  ...(requireTls ? { requireTLS: true } : {}),
  connectionTimeout: WAIT_MS,
  greetingTimeout: WAIT_MS,
  socketTimeout: 2 * WAIT_MS,
  logger: false as const,
});

/** Tests whether the server can be reached, offers the required TLS and accepts the credentials: undefined, or an error code. */
export async function trySmtp(settings: SmtpSettings): Promise<string | undefined> {
  const transport = createTransport(optionsOf(settings));
  try {
    await transport.verify();
    return undefined;
  } catch (err) {
    const { code } = err as { code?: unknown };
    return typeof code === 'string' ? code : 'unknown';
  } finally {
    transport.close();
  }
}

/** Sends mails by SMTP over a small pool of connections. */
export function createSmtpTransport(settings: SmtpSettings): MailTransport {
  const { from } = settings;
  const transport = createTransport({ ...optionsOf(settings), pool: true, maxConnections: CONNECTIONS });
  return {
    send: async (mail) => {
      try {
        await transport.sendMail(mailOptionsOf(mail, from));
      } catch (err) {
        const { responseCode, command } = err as { responseCode?: unknown; command?: unknown };
        // RFC 5321 §4.2.1: 5yz is permanent for this recipient or mail, but an operator can correct refused credentials.
        const isFinal = typeof responseCode === 'number' && responseCode >= 550 && responseCode < 560;
        if (isFinal && command !== 'AUTH' && command !== 'CONN') throw new MailRefusedError(`smtp_${responseCode}`);
        throw err;
      }
    },
    close: async () => transport.close(),
  };
}
