import type { Log, MailTransport } from '../core/ports.ts';
import type { Config } from '../platform/config/load.ts';
import { isLocalSmtp } from '../platform/config/mail.ts';
import { createFileOutbox, mailFolderOf } from '../platform/mail/file-outbox.ts';
import { createSmtpTransport } from '../platform/mail/smtp.ts';

/** Where this worker sends mails: to the configured SMTP server, else to files in the data directory. */
export function createMailTransport({ mail, server }: Config, dataDir: string, log: Log): MailTransport {
  const { smtpUrl, from } = mail;
  if (smtpUrl !== undefined) return createSmtpTransport({ url: smtpUrl, from, requireTls: !isLocalSmtp(smtpUrl) });
  if (server.profile !== 'development')
    log.warn({ setting: 'SMTP_URL' }, 'no SMTP server is set; mails are written to files in the data directory');
  return createFileOutbox(mailFolderOf(dataDir), from);
}
