import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { defineStatement } from '../define/statement.ts';
import { createPatientPool } from '../testing/patient-stores.ts';
import { createTestDatabase, type TestDatabase } from '../testing/stores.ts';
import { createTransact } from './pool.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

const ownPid = defineStatement('testPid', 'SELECT pg_backend_pid() AS pid');

test('a connection that dies between two statements of a transaction is 503 for that request, not the end of the process', async () => {
  const pool = createPatientPool({ url: database.url, connections: 2, applicationName: 'test' });
  const transact = createTransact(pool, () => {});
  const killer = new pg.Client({ connectionString: database.url });
  await killer.connect();
  const attempt = transact(async (tx) => {
    const [row] = await tx.query<{ pid: number }>(ownPid);
    await killer.query('SELECT pg_terminate_backend($1, 60000)', [row!.pid]);
    // The socket's end is an event of its own, before anybody asks the connection again.
    await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
    await tx.query(ownPid);
  });
  await expect(attempt).rejects.toMatchObject({ code: 'store_unavailable' });
  expect(await transact((tx) => tx.query(ownPid))).toHaveLength(1);
  await killer.end();
  await pool.end();
});
