import type { Command } from 'commander';
import { readMailBacklog } from '../services/core/identity/mail/read-mail-backlog.ts';
import { resolveDataDir } from '../services/platform/local/data-dir.ts';
import { type ReadableMail, readMail } from '../services/platform/mail/decode.ts';
import { listMailFiles, mailFolderOf, readMailFile } from '../services/platform/mail/file-outbox.ts';
import { onDatabase, type Verb } from './admin.ts';
import { CommandError, exitCodes } from './exit-codes.ts';
import { createOutput, type GlobalOptions } from './output.ts';

const folder = (): string => mailFolderOf(resolveDataDir());

/** The headers that a reader sees, and the plain text with every link whole. */
const readable = ({ from, to, subject, date, text }: ReadableMail): string =>
  `From: ${from}\nTo: ${to}\nSubject: ${subject}\nDate: ${date}\n\n${text}`;

const list: Verb<GlobalOptions> = async (ports, output) => {
  const names = await listMailFiles(folder());
  const mails = await Promise.all(
    names.map(async (name) => {
      const { to, subject, date } = readMail((await readMailFile(folder(), name)) ?? '');
      return { name, to, subject, date };
    }),
  );
  const { waiting, given_up: givenUp, oldest_seconds: oldestSeconds } = await readMailBacklog(ports);
  output.data({ folder: folder(), waiting, givenUp, oldestSeconds, mails }, () => [
    `${folder()}  (${waiting} waiting, ${givenUp} given up)`,
    ...mails.map(({ name, to, subject, date }) => `${name}  ${date}  ${to}  ${subject}`),
  ]);
};

type ShowOptions = GlobalOptions & { readonly raw?: boolean };

async function show(name: string | undefined, options: ShowOptions): Promise<void> {
  const wanted = name ?? (await listMailFiles(folder())).at(-1);
  const mail = wanted === undefined ? undefined : await readMailFile(folder(), wanted);
  if (mail === undefined)
    throw new CommandError(
      exitCodes.checkFailed,
      `no mail ${wanted ?? ''} in ${folder()}`,
      'choose one from `sallyport mail list`',
    );
  const read = readMail(mail);
  createOutput(options).data({ name: wanted, ...read, mail }, () => [options.raw ? mail : readable(read)]);
}

/** `sallyport mail list|show`: the mails of an installation without an SMTP server. */
export function registerMail(program: Command): void {
  const mail = program.command('mail');
  mail
    .command('list')
    .description('list the mails in the data directory, with the number of waiting and given-up mails')
    .action((_own, command: Command) => onDatabase(command, list));
  mail
    .command('show')
    .description('show the recipient, the subject and the text of a mail; without a name, of the newest one')
    .option('--raw', 'print the message as it would have been sent (RFC 5322)')
    .argument('[name]', 'name of the mail, as `mail list` shows it')
    .action((name: string | undefined, _own, command: Command) => show(name, command.optsWithGlobals()));
}
