// One temporary folder for a run of tests, in which each file has its own (`file-folder`): both go at the end.
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export function setup(): () => void {
  // The projects of one run share it. Its name is short: sockets lie below, and their paths have at most 107 bytes.
  if (process.env.SALLYPORT_TEST_FOLDER) return () => {};
  const folder = mkdtempSync(join(tmpdir(), 'sp-'));
  // As root, Postgres runs as another user, who must be able to pass through.
  chmodSync(folder, 0o755);
  process.env.SALLYPORT_TEST_FOLDER = folder;
  process.env.TMPDIR = folder;
  return () => rmSync(folder, { recursive: true, force: true });
}
