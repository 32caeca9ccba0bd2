import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';

/** A folder that goes after the tests of a file, and what the file does at its end; by `onTestFinished` after one test. */
export function testFolder(atEnd: (remove: () => void) => void = afterAll): string {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-'));
  atEnd(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
