// Each test file has a separate temporary folder, and fails if it leaves files there.
import { chmodSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll } from 'vitest';

const folder = mkdtempSync(join(process.env.SALLYPORT_TEST_FOLDER ?? '', 'f'));
chmodSync(folder, 0o755);
process.env.TMPDIR = folder;

// Registered before any of the file's own, and so run after them.
afterAll(() => {
  const left = readdirSync(folder);
  rmSync(folder, { recursive: true, force: true });
  if (left.length > 0) throw new Error(`the tests of this file left in their temporary folder: ${left.join(', ')}`);
});
