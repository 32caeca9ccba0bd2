import { randomUUID } from 'node:crypto';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';

async function synced(open: Promise<FileHandle>, work: (file: FileHandle) => Promise<unknown>): Promise<void> {
  const file = await open;
  try {
    await work(file);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Replaces a file atomically; when it resolves, file and directory entry are on the disk. */
export async function writeDurably(path: string, text: string): Promise<void> {
  const candidate = `${path}.${process.pid}.${randomUUID()}`;
  try {
    await synced(open(candidate, 'wx', 0o600), (file) => file.writeFile(text));
    await rename(candidate, path);
  } catch (err) {
    await rm(candidate, { force: true });
    throw err;
  }
  await synced(open(dirname(path), 'r'), async () => {});
}
