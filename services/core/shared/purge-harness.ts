// For tests only: a database with expired rows, their purges, and live sign-ins.
import { randomBytes, randomUUID } from 'node:crypto';
import { eventually } from '#tools/testing/eventually.ts';
import { createFamilyCopy, insertSession, insertUser, refreshSecrets } from '#tools/testing/fixtures/families.ts';
import type { RawSql } from '#tools/testing/harness/ports.ts';
import { openTestPorts } from '#tools/testing/harness/stores.ts';
import { sessionPurges } from '../identity/admin/identity-purges.ts';
import { tokenPurges } from '../tokens/clean-up-expired-tokens.ts';
import { expiredTables, insertExpired } from './expired-rows-harness.ts';
import { type PurgeResult, purge } from './purge.ts';

/** The purges of tokens and sessions. */
export const purges = [...tokenPurges, ...sessionPurges];

/** No pauses between batches: only the test is waiting. */
export const purgeAtOnce = (...[on, kinds, options]: Parameters<typeof purge>): Promise<PurgeResult> =>
  purge(on, kinds, { pace: { factor: 0, leastMs: 0 }, ...options });

export async function openPurgeHarness() {
  const ports = await openTestPorts();
  const secrets = refreshSecrets(new Map([[1, randomBytes(32)]]), () => 1);
  const copy = createFamilyCopy({ url: ports.databaseUrl, secrets, incarnation: randomUUID() });
  return {
    ports,
    copy,
    /** Deletes every row of every kind, and all events. */
    empty: () => ports.raw(`TRUNCATE ${expiredTables.join(', ')}, audit_outbox`),
    /** @param table SQL, with a condition if need be */
    countOf: async (table: string) => (await ports.raw<{ n: number }>(`SELECT count(*)::int AS n FROM ${table}`))[0]!.n,
    /** `count` rows of each kind. */
    insertExpired: async (count: number) => {
      await insertExpired(ports.sql, count);
      // In production autovacuum has analysed the tables by the time rows expire; here it is done immediately.
      await ports.raw(`ANALYZE ${expiredTables.join(', ')}`);
    },
    /** Frees the space of every deleted row for new rows; no file shrinks. */
    vacuum: async (tables: readonly string[]) => {
      await untilDeadToAll(ports.raw);
      // Without FREEZE, VACUUM skips a page that a checkpoint is writing; TRUNCATE would succeed only by chance.
      for (const table of tables) await ports.raw(`VACUUM (FREEZE, TRUNCATE false) ${table}`);
    },
    /** The refresh token of a new sign-in. */
    login: async () => {
      const userId = await insertUser(copy.pool);
      return (await copy.create({ user_id: userId, session_id: await insertSession(copy.pool, userId) })).refresh_token;
    },
    close: async () => {
      await copy.close();
      await ports.end();
    },
  };
}

/**
 * Resolves when rows that are dead now are dead to every transaction. Any open transaction on the server delays this,
 * through the snapshots that others take meanwhile; so does an autovacuum ANALYZE in this database.
 */
export async function untilDeadToAll(rows: RawSql): Promise<void> {
  const [now] = await rows`SELECT pg_current_xact_id()::text AS xid`;
  await eventually('the end of every transaction that began before', async () => {
    const [seen] = await rows`SELECT pg_snapshot_xmin(pg_current_snapshot()) > ${now!.xid}::text::xid8 AND NOT EXISTS (
      SELECT FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
        AND greatest(age(backend_xmin), age(backend_xid)) >= age(${now!.xid}::text::xid8::xid)) AS is_over`;
    return seen!.is_over === true;
  });
}
