import { globSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { connectedClient, rowsOf } from '#tools/testing/harness/ports.ts';
import { createTestDatabase } from '#tools/testing/harness/stores.ts';
import { opened } from '#tools/testing/opened.ts';

const root = resolve(import.meta.dirname, '../..');

/** SQL that pages pass to psql: after `-c`, and in here-documents. */
const statements = globSync('docs/{runbooks,how-to}/*.md', { cwd: root }).flatMap((page) => {
  const text = readFileSync(resolve(root, page), 'utf8');
  return [
    ...[...text.matchAll(/psql [^\n]*?-c (["'])(.+?)\1(?=[`\n]| )/g)].map(([, , sql]) => sql as string),
    ...[...text.matchAll(/psql [^\n]*<<'SQL'\n(.+?)\n\s*SQL\n/gs)].map(([, sql]) => sql as string),
  ].map((sql) => ({ page, sql }));
});

const database = opened(createTestDatabase);
const client = opened(() => connectedClient(database.url));

describe('SQL in runbooks', () => {
  test('the pages contain SQL of both kinds', () => {
    expect(statements.length).toBeGreaterThan(10);
    expect(statements.some(({ sql }) => sql.includes('COMMIT'))).toBe(true);
  });

  test.each(statements)('$page: $sql', async ({ sql }) => {
    await client.query(sql);
  });
});

test('AuditOutboxStrayRows: the last step creates the partition that stray rows prevented', async () => {
  const day = '2031-05-05';
  const sql = statements.find(
    (each) => each.page.endsWith('AuditOutboxStrayRows.md') && each.sql.includes('COMMIT'),
  )!.sql;
  await rowsOf(client)`INSERT INTO audit_outbox (type, outcome, actor_kind, occurred_at, seq)
    VALUES ('test.done', 'ok', 'system', ${`${day}T10:00:00Z`}, 1)`;
  const make = async () => (await client.query('SELECT audit_outbox_partition($1) AS made', [day])).rows;
  expect(await make()).toEqual([{ made: null }]);
  await client.query(sql.replaceAll('2026-11-20', day).replaceAll('2026-11-21', '2031-05-06'));
  // The partition exists already.
  expect(await make()).toEqual([{ made: false }]);
});
