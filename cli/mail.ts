import type { Command } from 'commander';
import { readMailBacklog } from '../services/domain/identity/mail/read-mail-backlog.ts';
import { resolveDataDir } from '../services/platform/local/data-dir.ts';
import { listMailFiles, mailFolderOf, readMailFile } from '../services/platform/mail/file-outbox.ts';
import { onDatabase, type Verb } from './admin.ts';
import { CommandError, exitCodes } from './exit-codes.ts';
import { createOutput, type GlobalOptions } from './output.ts';

const folder = (): string => mailFolderOf(resolveDataDir());

const headerOf = (mail: string, name: string): string =>
  new RegExp(`^${name}: (.*)$`, 'mi').exec(mail)?.[1]?.trim() ?? '';

const list: Verb<GlobalOptions> = async (ports, output) => {
  const names = await listMailFiles(folder());
  const mails = await Promise.all(
    names.map(async (name) => {
      const mail = (await readMailFile(folder(), name)) ?? '';
      return { name, to: headerOf(mail, 'to'), subject: headerOf(mail, 'subject'), date: headerOf(mail, 'date') };
    }),
  );
  const backlog = await readMailBacklog(ports);
  output.data({ folder: folder(), ...backlog, mails }, () => [
    `${folder()}  (${backlog.waiting} waiting, ${backlog.givenUp} given up)`,
    ...mails.map(({ name, to, subject, date }) => `${name}  ${date}  ${to}  ${subject}`),
  ]);
};

async function show(name: string | undefined, options: GlobalOptions): Promise<void> {
  const wanted = name ?? (await listMailFiles(folder())).at(-1);
  const mail = wanted === undefined ? undefined : await readMailFile(folder(), wanted);
  if (mail === undefined)
    throw new CommandError(
      exitCodes.checkFailed,
      `no mail ${wanted ?? ''} in ${folder()}`,
      'see `sallyport mail list`',
    );
  createOutput(options).data({ name: wanted, mail }, () => [mail]);
}

/** `sallyport mail list|show`: the mails of an installation without an SMTP server. */
export function registerMail(program: Command): void {
  const mail = program
    .command('mail')
    .description('read mails that were written to files because SMTP_URL is not set: list, show');
  mail
    .command('list')
    .description('list the mails in the data directory, and how many wait or were given up')
    .action((_own, command: Command) => onDatabase(command, list));
  mail
    .command('show')
    .description('show one mail as it would have been sent; without a name the newest')
    .argument('[name]', 'name of the mail, as `mail list` shows it')
    .action((name: string | undefined, _own, command: Command) => show(name, command.optsWithGlobals()));
}
