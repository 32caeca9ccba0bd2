// For tests only: a database with rows past their time, what removes them, and logins that live beside it.
import { randomBytes, randomUUID } from 'node:crypto';
import { sessionPurges } from '../../../domain/identity/session-purges.ts';
import { type PurgeResult, purge } from '../../../domain/purge.ts';
import { tokenPurges } from '../../../domain/tokens/clean-up-expired-tokens.ts';
import { untilDeadToAll } from '../horizon.ts';
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
  /** Frees the space of every row deleted so far, for new rows alone: no file gets smaller. */
  vacuum(tables: readonly string[]): Promise<void>;
  /** The refresh token of a new login. */
  login(): Promise<string>;
  close(): Promise<void>;
};

export async function openPurgeWorld(): Promise<PurgeWorld> {
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
