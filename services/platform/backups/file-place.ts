import { createHash, randomBytes } from 'node:crypto';
import { constants, createReadStream } from 'node:fs';
import { type FileHandle, lstat, open, readdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { backupPlaceFull } from './errors.ts';

const { O_CREAT, O_EXCL, O_NOFOLLOW, O_WRONLY } = constants;
const READ_BYTES = 262_144;

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch (err) {
    return (err as NodeJS.ErrnoException).code === 'EPERM';
  }
};

/** Removes what writers that were killed left beside a file. */
async function removeAbandoned(path: string): Promise<void> {
  const start = `${basename(path)}.partial-`;
  for (const name of await readdir(dirname(path))) {
    const pid = name.startsWith(start) ? Number(/^\d+/.exec(name.slice(start.length))?.[0]) : 0;
    if (pid > 0 && pid !== process.pid && !isAlive(pid)) await rm(join(dirname(path), name), { force: true });
  }
}

export type Written = { readonly bytes: number; readonly sha256: string };

async function writeAll(file: FileHandle, source: AsyncIterable<Uint8Array>): Promise<Written> {
  const digest = createHash('sha256');
  let bytes = 0;
  for await (const chunk of source) {
    for (let at = 0; at < chunk.byteLength; ) at += (await file.write(chunk, at)).bytesWritten;
    digest.update(chunk);
    bytes += chunk.byteLength;
  }
  await file.sync();
  return { bytes, sha256: digest.digest('hex') };
}

/**
 * Writes a file that appears under its name only when it is complete and on the disk; a file of that name is replaced
 * then. If the process is killed or the disk is full, the name is as it was.
 * @throws backupPlaceFull (507) if the disk is full; EISDIR if the name is that of a device, link or folder, which must not be replaced
 */
export async function writeFileAtOnce(path: string, source: AsyncIterable<Uint8Array>): Promise<Written> {
  const before = await lstat(path).catch(() => null);
  if (before !== null && !before.isFile())
    throw Object.assign(new Error(`${path} is not a regular file`), { code: 'EISDIR', path });
  await removeAbandoned(path);
  // A new file under an unforeseeable name: another user of the folder cannot plant a link there.
  const partial = `${path}.partial-${process.pid}-${randomBytes(16).toString('hex')}`;
  const file = await open(partial, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
  let written: Written;
  try {
    try {
      written = await writeAll(file, source);
    } finally {
      await file.close();
    }
    await rename(partial, path);
  } catch (err) {
    await rm(partial, { force: true });
    throw (err as NodeJS.ErrnoException).code === 'ENOSPC' ? backupPlaceFull({ cause: err }) : err;
  }
  const folder = await open(dirname(path), 'r');
  await folder.sync().finally(() => folder.close());
  return written;
}

export const readFileInParts = (path: string): AsyncIterable<Buffer> =>
  createReadStream(path, { highWaterMark: READ_BYTES });

/** The same for what is in memory: a link at the name is refused, and an existing file keeps no wider access. */
export async function writeBytesAtOnce(path: string, content: string | Uint8Array): Promise<void> {
  await writeFileAtOnce(
    path,
    (async function* () {
      yield Buffer.from(content);
    })(),
  );
}
