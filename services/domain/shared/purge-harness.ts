// For tests only: a database with rows past their time, what removes them, and logins that live beside it.
import { randomBytes, randomUUID } from 'node:crypto';
import { eventually } from '#testing/eventually.ts';
import {
  createFamilyCopy,
  type FamilyCopy,
  insertSession,
  insertUser,
  refreshSecrets,
} from '#testing/fixtures/families.ts';
import { type OwnPorts, openTestPorts } from '#testing/harness/stores.ts';
import { sessionPurges } from '../identity/identity-purges.ts';
import { tokenPurges } from '../tokens/clean-up-expired-tokens.ts';
import { expiredTables, insertExpired } from './expired-rows-harness.ts';
import { type PurgeResult, purge } from './purge.ts';

/** Every kind of tokens and sessions. */
export const purges = [...tokenPurges, ...sessionPurges];

/** Without rests between batches: nobody but the test is waiting. */
export const purgeAtOnce = (...[on, kinds, options]: Parameters<typeof purge>): Promise<PurgeResult> =>
  purge(on, kinds, { pace: { factor: 0, leastMs: 0 }, ...options });

export type PurgeHarness = {
  readonly ports: OwnPorts;
  readonly copy: FamilyCopy;
  /** No row of any kind is left, nor any event. */
  empty(): Promise<unknown>;
  /** @param table SQL, with a condition if need be */
  countOf(table: string): Promise<number>;
  /** `count` rows of each kind. */
  insertExpired(count: number): Promise<void>;
  /** Frees the space of every row deleted so far, for new rows alone: no file gets smaller. */
  vacuum(tables: readonly string[]): Promise<void>;
  /** The refresh token of a new login. */
  login(): Promise<string>;
  close(): Promise<void>;
};

export async function openPurgeHarness(): Promise<PurgeHarness> {
  const ports = await openTestPorts();
  const secrets = refreshSecrets(new Map([[1, randomBytes(32)]]), () => 1);
  const copy = createFamilyCopy({ url: ports.databaseUrl, secrets, incarnation: randomUUID() });
  return {
    ports,
    copy,
    empty: () => ports.raw(`TRUNCATE ${expiredTables.join(', ')}, audit_outbox`),
    countOf: async (table) => (await ports.raw<{ n: number }>(`SELECT count(*)::int AS n FROM ${table}`))[0]!.n,
    insertExpired: async (count) => {
      await insertExpired(ports.sql, count);
      // By the time rows run out their tables have been analysed: here at once, not when autovacuum comes by.
      await ports.raw(`ANALYZE ${expiredTables.join(', ')}`);
    },
    vacuum: async (tables) => {
      await untilDeadToAll(ports.raw);
      // Without FREEZE a page that a checkpoint is writing is passed over; what can be cut off is cut off by chance.
      for (const table of tables) await ports.raw(`VACUUM (FREEZE, TRUNCATE false) ${table}`);
    },
    login: async () => {
      const userId = await insertUser(copy.pool);
      return (await copy.create({ userId, sessionId: await insertSession(copy.pool, userId) })).refreshToken;
    },
    close: async () => {
      await copy.close();
      await ports.end();
    },
  };
}

/** Rows of one statement. */
type Rows = (text: string, values?: readonly unknown[]) => Promise<Record<string, unknown>[]>;

/**
 * Resolves when what is dead by now is dead to everybody, and stays so. A transaction anywhere on the server holds it
 * back while it runs, by the snapshots that others take meanwhile; so does an analysis by autovacuum in this database.
 */
export async function untilDeadToAll(rows: Rows): Promise<void> {
  const [now] = await rows('SELECT pg_current_xact_id()::text AS xid');
  await eventually('the end of every transaction that began before', async () => {
    const [seen] = await rows(
      `SELECT pg_snapshot_xmin(pg_current_snapshot()) > $1::text::xid8 AND NOT EXISTS (
         SELECT FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
           AND greatest(age(backend_xmin), age(backend_xid)) >= age($1::text::xid8::xid)) AS is_over`,
      [now!.xid],
    );
    return seen!.is_over === true;
  });
}
