// A database records the checksum of each migration that it applied, and Sallyport refuses to start on a database whose
// migrations differ. An edited migration, even in a comment, would therefore lock users out of their data.
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, test } from 'vitest';

const FOLDER = resolve(import.meta.dirname, '../../prisma');

test('no migration differs from its line in SHA256SUMS, and each has a line', () => {
  const files = readdirSync(`${FOLDER}/migrations`, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .flatMap(({ name }) => ['down', 'migration'].map((each) => `migrations/${name}/${each}.sql`))
    .filter((file) => existsSync(`${FOLDER}/${file}`))
    .sort();
  const sums = files.map(
    (file) =>
      `${createHash('sha256')
        .update(readFileSync(`${FOLDER}/${file}`))
        .digest('hex')}  ${file}`,
  );
  expect(readFileSync(`${FOLDER}/SHA256SUMS`, 'utf8').trimEnd().split('\n')).toEqual(sums);
});
