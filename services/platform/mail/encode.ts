import MailComposer from 'nodemailer/lib/mail-composer';
import type { OutgoingMail } from '#services/core/ports.ts';

/** Fields of every mail besides its text; nothing in it is read from a file or fetched. */
export function mailOptionsOf(mail: OutgoingMail, from: string) {
  const host = /@([^\s<>@]+)>?\s*$/.exec(from)?.[1] ?? 'localhost';
  return {
    from,
    // An object, so that nodemailer does not parse the address as a list.
    to: { name: '', address: mail.to },
    subject: mail.subject,
    text: mail.text,
    html: mail.html,
    // The same at every attempt, so that mail programs recognise a duplicate.
    messageId: `<${mail.id}@${host}>`,
    // RFC 3834 §5: suppresses automatic replies.
    headers: { 'Auto-Submitted': 'auto-generated' },
    disableFileAccess: true,
    disableUrlAccess: true,
  };
}

/** The mail as it would leave (RFC 5322). */
export const encodeMail = (mail: OutgoingMail, from: string): Promise<Buffer> =>
  new MailComposer(mailOptionsOf(mail, from)).compile().build();
