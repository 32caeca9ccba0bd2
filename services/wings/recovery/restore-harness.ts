// For tests only: backs up and restores a database under running copies of the API, with the high-water marks outside it.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type pg from 'pg';
import { expect } from 'vitest';
import { defineStatement } from '#services/platform/define/statement.ts';
import { createFileMarks } from '#services/platform/marks/file-marks.ts';
import { type ApiCopy, newAuthSecret, startApiCopy, type TestClient } from '#tools/testing/harness/api.ts';
import { rowsOf } from '#tools/testing/harness/ports.ts';
import { createTestDatabase, onServer, testRedisUrl } from '#tools/testing/harness/stores.ts';
import type { Json } from '#tools/testing/http-client.ts';
import { runCli } from '#tools/testing/processes/run-cli.ts';

export type Pair = { readonly access_token: string; readonly refresh_token: string };

export const userInsert = defineStatement('testRestoreUser')`
  INSERT INTO users (id, email) VALUES ($1, $1 || '@example.test')`;

const transactionBegun = defineStatement('testRestoreWrites')`SELECT pg_current_xact_id()`;

export async function call(copy: ApiCopy, path: string, body?: object, client?: TestClient) {
  const response = await fetch(copy.url + path, {
    method: body ? 'POST' : 'GET',
    headers: {
      ...(body ? { 'content-type': 'application/json' } : {}),
      ...(client ? { authorization: client.basic } : {}),
    },
    ...(body ? { body: JSON.stringify(body) } : {}),
  });
  return { status: response.status, body: (await response.json()) as Json };
}
export const issue = (copy: ApiCopy, client: TestClient) => call(copy, '/v1/tokens', { user_id: 'alice' }, client);

export async function issued(copy: ApiCopy, client: TestClient): Promise<Pair> {
  const { status, body } = await issue(copy, client);
  expect(status, JSON.stringify(body)).toBe(201);
  return body;
}

export type RestoreHarness = Awaited<ReturnType<typeof openRestoreHarness>>;

/** Open one per test. */
export async function openRestoreHarness() {
  const database = await createTestDatabase();
  const databaseName = new URL(database.url).pathname.slice(1);
  const backupName = `${databaseName}_backup`;
  const marksDir = await mkdtemp(join(tmpdir(), 'sallyport-restore-'));
  const redisUrl = testRedisUrl();
  const authSecret = newAuthSecret();
  const copies: ApiCopy[] = [];

  /** Cuts all connections to the database and refuses new ones while `work` copies or renames it. */
  async function withoutConnections(work: (admin: pg.Client) => Promise<unknown>): Promise<void> {
    await onServer(async (admin) => {
      await admin.query(`ALTER DATABASE ${databaseName} ALLOW_CONNECTIONS false`);
      try {
        for (let left = 1; left > 0; ) {
          const rows = await rowsOf(admin)`SELECT count(*)::int AS n, count(pg_terminate_backend(pid))
            FROM pg_stat_activity WHERE datname = ${databaseName}`;
          left = rows[0]!.n;
        }
        await work(admin);
      } finally {
        await admin.query(`ALTER DATABASE ${databaseName} ALLOW_CONNECTIONS true`);
      }
    });
  }

  return {
    databaseUrl: database.url,
    databaseName,
    backupName,
    marksDir,
    async startCopy() {
      // These tests are about rewound state: a busy machine must not make it stale.
      const env = { REVOCATION_STALENESS_MS: '30000' };
      const copy = await startApiCopy({ databaseUrl: database.url, redisUrl, authSecret, marksDir, env });
      copies.push(copy);
      return copy;
    },
    withoutConnections,
    takeBackup: () =>
      withoutConnections((admin) => admin.query(`CREATE DATABASE ${backupName} TEMPLATE ${databaseName}`)),
    /** Replaces the database by the backup under running copies, as `pg_restore` does. */
    restoreBackup: () =>
      withoutConnections(async (admin) => {
        await admin.query(`DROP DATABASE ${databaseName}`);
        await admin.query(`CREATE DATABASE ${databaseName} TEMPLATE ${backupName}`);
      }),
    /** Waits until the marks include every acknowledged write, that is, until a poll after the last commit has raised them. */
    async marksReach(copy: ApiCopy, beats: number) {
      const marks = createFileMarks(marksDir);
      const { epoch } = copy.ports.revocations.state();
      // A beat follows only what was written.
      const beat = () => copy.ports.sql.query(transactionBegun, []).then(async () => (await marks.read())?.beat ?? 0);
      await expect.poll(beat, { timeout: 60_000 }).toBeGreaterThanOrEqual((await beat()) + beats);
      await expect.poll(async () => (await marks.read())?.revocationEpoch).toBeGreaterThanOrEqual(epoch);
    },
    /** The command line, as an operator types it. @param env more settings */
    sallyport: (args: readonly string[], env: Readonly<Record<string, string>> = {}) =>
      runCli(args, {
        DATABASE_URL: database.url,
        BETTER_AUTH_SECRET: authSecret,
        SALLYPORT_DATA_DIR: marksDir,
        NO_COLOR: '1',
        ...env,
      }),
    async close() {
      await Promise.all(copies.map((copy) => copy.stop()));
      await onServer((admin) => admin.query(`DROP DATABASE IF EXISTS ${backupName} WITH (FORCE)`));
      await database.drop();
      await rm(marksDir, { recursive: true, force: true });
    },
  };
}
