// For tests only: a database with rows past their time, what removes them, and logins that live beside it.
import { randomBytes, randomUUID } from 'node:crypto';
import { sessionPurges } from '../../../domain/identity/session-purges.ts';
import { type PurgeResult, purge } from '../../../domain/purge.ts';
import { tokenPurges } from '../../../domain/tokens/clean-up-expired-tokens.ts';
import { eventually } from '../eventually.ts';
import { expiredTables, insertExpired } from '../made/expired-rows.ts';
import { createFamilyCopy, type FamilyCopy, insertSession, insertUser, refreshSecrets } from '../made/families.ts';
import { type OwnPorts, openTestPorts } from '../stores.ts';

/** Every kind of tokens and sessions. */
export const purges = [...tokenPurges, ...sessionPurges];

/** Without rests between batches: nobody but the test is waiting. */
export const purgeAtOnce = (...[on, kinds, options]: Parameters<typeof purge>): Promise<PurgeResult> =>
  purge(on, kinds, { pace: { factor: 0, leastMs: 0 }, ...options });

export type PurgeWorld = {
  readonly ports: OwnPorts;
  readonly copy: FamilyCopy;
  /** No row of any kind is left, nor any event. */
  empty(): Promise<unknown>;
  /** @param table SQL, with a condition if need be */
  countOf(table: string): Promise<number>;
  /** `count` rows of each kind. */
  insertExpired(count: number): Promise<void>;
  /** Frees the space of every row deleted so far: an analysis by autovacuum that began before would hold them back. */
  vacuum(tables: readonly string[]): Promise<void>;
  /** The refresh token of a new login. */
  login(): Promise<string>;
  close(): Promise<void>;
};

export async function openPurgeWorld(): Promise<PurgeWorld> {
  const ports = await openTestPorts();
  const secrets = refreshSecrets(new Map([[1, randomBytes(32)]]), () => 1);
  const copy = createFamilyCopy({
    url: ports.databaseUrl,
    secrets,
    incarnation: randomUUID(),
    deadlineMs: 60_000,
  });
  return {
    ports,
    copy,
    empty: () => ports.raw(`TRUNCATE ${expiredTables.join(', ')}, audit_outbox`),
    countOf: async (table) => (await ports.raw<{ n: number }>(`SELECT count(*)::int AS n FROM ${table}`))[0]!.n,
    insertExpired: (count) => insertExpired(ports.sql, count),
    vacuum: async (tables) => {
      const [now] = await ports.raw<{ xid: string }>('SELECT pg_current_xact_id()::xid::text AS xid');
      await eventually('the end of every transaction that began before', async () => {
        const [older] = await ports.raw(
          `SELECT FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
             AND greatest(age(backend_xmin), age(backend_xid)) >= age($1::text::xid) LIMIT 1`,
          [now!.xid],
        );
        return older === undefined;
      });
      for (const table of tables) await ports.raw(`VACUUM ${table}`);
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
