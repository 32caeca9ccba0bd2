import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { cutText } from './cut-text.ts';

test('a text is cut before a character of two units that would be halved', () => {
  expect(cutText('abc', 3)).toBe('abc');
  expect(cutText('abcd', 3)).toBe('abc');
  expect(cutText('ab😀', 3)).toBe('ab');
  expect(cutText('ab😀', 4)).toBe('ab😀');
  expect(cutText('a😀😀', 3)).toBe('a😀');
  for (let most = 0; most < 20; most += 1) expect(cutText('x😀y😀😀z😀', most).isWellFormed(), String(most)).toBe(true);
});

/** Texts of ASCII, or of bytes, which have no character of two units; observability imports nothing, and does the same. */
const ASCII = new Set([
  'observability/log-redaction.ts',
  'services/core/audit/audit-context.ts',
  'services/wings/import/reading/sniff.ts',
  'services/wings/recovery/backup/rehearse-restore.ts',
  'services/pages/own-account/browser-name.ts',
  'services/platform/backups/s3-place.ts',
  'services/platform/define/error-code.ts',
  'services/platform/queue/admin.ts',
  'services/platform/define/cut-text.ts',
]);

test('what people read is cut by this alone', () => {
  const root = join(import.meta.dirname, '../../..');
  const cuts = /\.slice\(0, (?:[4-9]\d|\d_?\d{2,}|\w*CHARACTERS\w*|TEXT_MAX|SHOWN_MAX|LONGEST)\)/;
  const files = globSync('{services,cli,observability,jobs}/**/*.ts', { cwd: root }).filter(
    (file) => !/test\.ts$|harness|generated|caller\.ts$/.test(file) && !ASCII.has(file),
  );
  expect(files.length).toBeGreaterThan(1_000);
  expect(files.filter((file) => cuts.test(readFileSync(join(root, file), 'utf8')))).toEqual([]);
});
