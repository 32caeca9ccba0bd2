import { defineSettings } from '../define/setting.ts';
import { type ConfigProblem, problemsOf } from './config-error.ts';
import { optionalText, textOr } from './shapes.ts';

export const mailSettings = defineSettings({
  smtpUrl: {
    env: 'SMTP_URL',
    schema: optionalText(1_024),
    use: 'SMTP server that sends mails, as an smtp:// or smtps:// URL with user and password. Unset: mails are written to files below SALLYPORT_DATA_DIR.',
    secret: true,
    example: '',
  },
  from: { env: 'MAIL_FROM', schema: textOr('Sallyport <no-reply@localhost>', 320), use: 'Sender of mails.' },
});

type MailConfig = { readonly smtpUrl: string | undefined; readonly from: string };

const isSmtpUrl = (value: string): boolean => {
  if (!URL.canParse(value)) return false;
  const { protocol, hostname, search } = new URL(value);
  // nodemailer reads options from the query; one of them could disable encryption.
  return /^smtps?:$/.test(protocol) && hostname !== '' && search === '';
};

/** Problems of the mail settings that prevent a start. */
export const mailProblems = (mail: MailConfig): ConfigProblem[] =>
  problemsOf((refuse) => {
    if (mail.smtpUrl !== undefined && !isSmtpUrl(mail.smtpUrl))
      refuse(
        'SMTP_URL',
        'is not an smtp:// or smtps:// URL without a query',
        'write it as smtps://user:password@mail.example.com:465',
      );
    if (!/^(?:[^<>\r\n]{1,200} <[^\s<>@]+@[^\s<>@]+>|[^\s<>@]+@[^\s<>@]+)$/.test(mail.from))
      refuse('MAIL_FROM', 'is not a sender address', 'write it as Example <no-reply@example.com>');
  });

/** True if the server is on this machine: mails to it cross no network. */
export const isLocalSmtp = (url: string): boolean =>
  /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/.test(new URL(url).hostname);
