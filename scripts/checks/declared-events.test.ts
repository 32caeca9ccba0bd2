import { readdir, readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { expect, test } from 'vitest';
import { collectAuditEvents } from '../catalog/collect.ts';

const MIGRATIONS = resolve(import.meta.dirname, '../../prisma/migrations');

// Use-cases cannot write an event that is not declared: it would not compile. Triggers could.
test('every event that a row trigger writes is declared, with its durability', async () => {
  const sql = await Promise.all(
    (await readdir(MIGRATIONS, { withFileTypes: true }))
      .filter((entry) => entry.isDirectory())
      .map((entry) => readFile(resolve(MIGRATIONS, entry.name, 'migration.sql'), 'utf8')),
  );
  const written = sql
    .join('\n')
    .matchAll(/(?:audit_record\(|event := |INSERT INTO audit_outbox[^;]*?VALUES \()'([a-z_]+\.[a-z_.]+)'/g);
  const types = new Set([...written].map(([, type]) => type));
  expect(types.size).toBeGreaterThan(10);
  const declared = new Set((await collectAuditEvents()).map(({ type }) => type));
  expect([...types].filter((type) => !declared.has(type as string))).toEqual([]);
});
