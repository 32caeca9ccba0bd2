import { readdir, readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { collectAuditEvents } from '../catalog/collect.ts';
import { sourceFiles } from './test-titles.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const MIGRATIONS = join(ROOT, 'prisma/migrations');

// Use-cases cannot write an event that is not declared: it would not compile. Triggers could.
test('every event that a row trigger writes is declared, with its durability', async () => {
  const sql = await Promise.all(
    (await readdir(MIGRATIONS, { withFileTypes: true }))
      .filter((entry) => entry.isDirectory())
      .map((entry) => readFile(join(MIGRATIONS, entry.name, 'migration.sql'), 'utf8')),
  );
  const written = sql
    .join('\n')
    .matchAll(/(?:audit_record\(|event := |INSERT INTO audit_outbox[^;]*?VALUES \()'([a-z_]+\.[a-z_.]+)'/g);
  const types = new Set([...written].map(([, type]) => type));
  expect(types.size).toBeGreaterThan(10);
  const declared = new Set((await collectAuditEvents()).map(({ type }) => type));
  expect([...types].filter((type) => !declared.has(type as string))).toEqual([]);
});

// Inserted without `recordEvent`, which would not compile with another outcome; no use-case writes `test.…`.
test('every event that a test inserts by SQL is declared with its outcome', async () => {
  const outcomes = new Map((await collectAuditEvents()).map((event) => [event.type, event.outcomes]));
  let planted = 0;
  const wrong: string[] = [];
  for (const file of sourceFiles(ROOT, '**/*.ts')) {
    const statements = (await readFile(join(ROOT, file), 'utf8')).matchAll(
      /INSERT INTO audit_(?:outbox|events)\b[^`]*?'([a-z_]+\.[a-z_.]+)', '([a-z_]+)'/g,
    );
    for (const [, type, outcome] of statements) {
      if (type?.startsWith('test.')) continue;
      planted += 1;
      if (!outcomes.get(type as string)?.includes(outcome as string)) wrong.push(`${file}: ${type} ${outcome}`);
    }
  }
  expect(planted).toBeGreaterThan(3);
  expect(wrong).toEqual([]);
});
