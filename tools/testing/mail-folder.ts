// For tests only: sends what waits in the outbox of a database, and reads the mails as their reader would.
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deliverMails } from '#services/core/identity/mail/deliver-mail.ts';
import type { MailTransport, Ports } from '#services/core/ports.ts';
import { createFileOutbox, listMailFiles } from '#services/platform/mail/file-outbox.ts';
import { takeFence } from '#services/platform/queue/fences.ts';

type Mail = {
  readonly to: string;
  readonly subject: string;
  readonly text: string;
  /** Path of the page a link leads to, and the code in its fragment. */
  readonly page: string | undefined;
  readonly code: string | undefined;
  /** The short code, as the mail shows it. */
  readonly typed: string | undefined;
  readonly raw: string;
};

const field = (raw: string, name: string): string => new RegExp(`^${name}: (.*)$`, 'mi').exec(raw)?.[1]?.trim() ?? '';

/** RFC 2045 §6.7. */
const unquoted = (text: string): string =>
  Buffer.from(
    text
      .replaceAll(/=\r?\n/g, '')
      .replaceAll(/=([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16))),
    'latin1',
  ).toString('utf8');

/** A mail as it was sent. */
export function parseMail(raw: string): Mail {
  const plain = /content-type: text\/plain[\s\S]*?\r\n\r\n([\s\S]*?)\r\n--/i.exec(raw)?.[1] ?? '';
  const text = unquoted(plain);
  const typed = /^[B-Z]{4}-[B-Z]{4}$/m.exec(text)?.[0];
  const link = /(https?:\/\/\S+?)#([\w-]{43})/.exec(text);
  return { to: field(raw, 'to'), subject: field(raw, 'subject'), text, page: link?.[1], code: link?.[2], typed, raw };
}

/** Every mail in a folder, oldest first. */
export const mailsIn = async (path: string): Promise<Mail[]> =>
  Promise.all((await listMailFiles(path)).map(async (name) => parseMail(await readFile(join(path, name), 'utf8'))));

export type MailFolder = {
  readonly path: string;
  /** Sends what is due, as a worker does. */
  deliver(through?: MailTransport): Promise<void>;
  /** Sends what is due; every mail to this address so far, oldest first. */
  to(email: string): Promise<Mail[]>;
  /** Mode of the newest file. */
  mode(): Promise<number>;
  close(): Promise<void>;
};

export async function openMailFolder(
  ports: Pick<Ports, 'transact' | 'sql' | 'clock' | 'vault' | 'random' | 'log'>,
): Promise<MailFolder> {
  const parent = await mkdtemp(join(tmpdir(), 'sallyport-mail-'));
  const path = join(parent, 'mail');
  const folder = createFileOutbox(path, 'Sallyport <no-reply@sallyport.test>');
  const deliver = async (through: MailTransport = folder): Promise<void> => {
    const fence = await takeFence(ports.sql, 'deliver-mail');
    await deliverMails({ ...ports, mailTransport: through }, { fence, signal: new AbortController().signal });
  };
  return {
    path,
    deliver,
    to: async (email) => {
      await deliver();
      return (await mailsIn(path)).filter((mail) => mail.to === email);
    },
    mode: async () => {
      const [name = ''] = (await readdir(path)).reverse();
      return (await stat(join(path, name))).mode & 0o777;
    },
    close: async () => {
      await folder.close();
      await rm(parent, { recursive: true, force: true });
    },
  };
}
