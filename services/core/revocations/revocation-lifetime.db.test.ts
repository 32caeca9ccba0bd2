import type pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createSql } from '#services/platform/postgres/pool.ts';
import { createPatientPool } from '#tools/testing/harness/ports.ts';
import { createTestDatabase, type TestDatabase } from '#tools/testing/harness/stores.ts';
import { keepRevocations } from './revocation-lifetime.ts';

let database: TestDatabase;
let pool: pg.Pool;
beforeAll(async () => {
  database = await createTestDatabase();
  pool = createPatientPool({ url: database.url, connections: 1, applicationName: 'test' });
});
afterAll(async () => {
  await pool.end();
  await database.drop();
});

const keptSeconds = async (): Promise<number> => {
  const { rows } = await pool.query<{ kept: number }>(
    `SELECT extract(epoch FROM revocation_keep_until() - clock_timestamp())::float8 AS kept`,
  );
  return rows[0]?.kept ?? 0;
};

test('a revocation is kept longer than any token under the settings lives, and later settings never shorten that', async () => {
  const ports = { sql: createSql(pool) };
  await keepRevocations(ports, { accessTokenSeconds: 86_400, leewaySeconds: 60 });
  expect(await keptSeconds()).toBeGreaterThan(86_400 + 60);
  await keepRevocations(ports, { accessTokenSeconds: 30, leewaySeconds: 0 });
  expect(await keptSeconds()).toBeGreaterThan(86_400 + 60);
});
