import { randomUUID } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { MailTransport } from '#services/core/ports.ts';
import { encodeMail } from './encode.ts';

/** Maximum number of files; the oldest are deleted. */
const KEPT = 200;
const NAME = /^[\w-]{1,128}\.eml$/;

export const mailFolderOf = (dataDir: string): string => join(dataDir, 'mail');

/** Mails as `.eml` files of mode 0600, for an installation without an SMTP server. Names sort by time. */
export function createFileOutbox(folder: string, from: string): MailTransport {
  return {
    send: async (mail) => {
      await mkdir(folder, { recursive: true, mode: 0o700 });
      // Ids are UUIDv7, so names sort by the time of the request. The rename makes the file appear atomically.
      const part = join(folder, `.${randomUUID()}`);
      await writeFile(part, await encodeMail(mail, from), { mode: 0o600 });
      await rename(part, join(folder, `${mail.id}.eml`));
      const names = await listMailFiles(folder);
      await Promise.all(names.slice(0, Math.max(0, names.length - KEPT)).map((name) => rm(join(folder, name))));
    },
    close: async () => {},
  };
}

/** Names of the mails, oldest first. */
export async function listMailFiles(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch(() => []);
  return names.filter((name) => NAME.test(name)).sort();
}

/** One mail as it would have been sent; undefined if there is none of that name. */
export async function readMailFile(folder: string, name: string): Promise<string | undefined> {
  if (!NAME.test(name)) return undefined;
  return readFile(join(folder, name), 'utf8').catch(() => undefined);
}
