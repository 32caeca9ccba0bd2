import { type Check, fail, pass, type Result, warn } from '#services/core/health/doctor-check.ts';
import { readMailBacklog } from '#services/core/identity/mail/read-mail-backlog.ts';
import { isLocalSmtp } from '#services/platform/config/mail.ts';
import { resolveDataDir } from '#services/platform/local/data-dir.ts';
import { mailFolderOf } from '#services/platform/mail/file-outbox.ts';
import { trySmtp } from '#services/platform/mail/smtp.ts';
import { withDatabase } from '../database-ports.ts';

type Backlog = Awaited<ReturnType<typeof readMailBacklog>>;

/** Mails are sent within seconds; one that waits longer than this is late. */
const LATE_SECONDS = 300;

/** @param way how mails are sent; @param failure the error code, if the SMTP server could not be used */
export function mailResult(
  { waiting, given_up: givenUp, oldest_seconds: oldestSeconds }: Backlog,
  { way, isFolder, isDevelopment, failure }: MailWay,
): Result {
  const evidence = `${way}, ${waiting} waiting, ${givenUp} given up in a week`;
  if (failure !== undefined)
    return fail(`${evidence}; ${failure}`, 'check SMTP_URL: host, port, TLS, user and password');
  if (oldestSeconds > LATE_SECONDS)
    return warn(
      `${evidence}, the oldest for ${Math.round(oldestSeconds / 60)} min`,
      'see the worker log for the cause',
    );
  if (isFolder && !isDevelopment) return warn(`${evidence}: they are not delivered`, 'set SMTP_URL');
  if (givenUp > 0) return warn(evidence, 'see docs/runbooks/MailsGivenUp.md');
  return pass(evidence);
}

type MailWay = {
  readonly way: string;
  /** True if mails are written to files because no server is set. */
  readonly isFolder: boolean;
  readonly isDevelopment: boolean;
  readonly failure?: string | undefined;
};

/** Checks that mails can be sent and that none waits. */
export const mailCheck: Check = {
  name: 'mail',
  needs: 'databaseUrl',
  run: async (settings) => {
    const { mail, server } = await settings();
    const { smtpUrl, from } = mail;
    const isDevelopment = server.profile === 'development';
    const backlog = await withDatabase(readMailBacklog);
    if (smtpUrl === undefined)
      return mailResult(backlog, { way: `files in ${mailFolderOf(resolveDataDir())}`, isFolder: true, isDevelopment });
    const failure = await trySmtp({ url: smtpUrl, from, requireTls: !isLocalSmtp(smtpUrl) });
    const { hostname, port } = new URL(smtpUrl);
    const way = `SMTP ${hostname}${port === '' ? '' : `:${port}`}`;
    return mailResult(backlog, { way, isFolder: false, isDevelopment, failure });
  },
};
