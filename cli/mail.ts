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

/** RFC 2045 §6.7 and §6.8. */
function decoded(body: string, encoding: string): string {
  if (encoding === 'base64') return Buffer.from(body, 'base64').toString('utf8');
  if (encoding !== 'quoted-printable') return body;
  const bytes = body
    .replaceAll(/=\r?\n/g, '')
    .replaceAll(/=([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return Buffer.from(bytes, 'latin1').toString('utf8');
}

/** The headers a reader sees and the plain text, with every link whole. */
function readable(mail: string): string {
  const headers = ['From', 'To', 'Subject', 'Date'].map((name) => `${name}: ${headerOf(mail, name)}`);
  const [, fields = '', body = ''] =
    /^(content-type: text\/plain[\s\S]*?)\r?\n\r?\n([\s\S]*?)(?:\r?\n--|$(?![\s\S]))/im.exec(mail) ?? [];
  const text = decoded(body, headerOf(fields, 'content-transfer-encoding').toLowerCase());
  return `${headers.join('\n')}\n\n${text.replaceAll('\r\n', '\n').trim()}`;
}

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
      'choose one from `sallyport mail list`',
    );
  createOutput(options).data({ name: wanted, mail }, () => [readable(mail)]);
}

/** `sallyport mail list|show`: the mails of an installation without an SMTP server. */
export function registerMail(program: Command): void {
  const mail = program
    .command('mail')
    .description('read mails that were written to files because SMTP_URL is not set: list, show');
  mail
    .command('list')
    .description('list the mails in the data directory, with the number of waiting and given-up mails')
    .action((_own, command: Command) => onDatabase(command, list));
  mail
    .command('show')
    .description(
      'show the text of one mail, without a name of the newest; --json: the message as it would have been sent',
    )
    .argument('[name]', 'name of the mail, as `mail list` shows it')
    .action((name: string | undefined, _own, command: Command) => show(name, command.optsWithGlobals()));
}
