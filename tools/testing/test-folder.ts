import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';

/** A folder for the tests of a file. It goes after them, and after what the file itself does at its end. */
export function testFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
