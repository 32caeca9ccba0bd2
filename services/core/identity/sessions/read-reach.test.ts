import { expect, test } from 'vitest';
import type { Sql } from '#services/core/ports.ts';
import { readReach } from './manage-sessions.ts';

/** A database with this many live families of as many sessions; it counts as many as it is asked for. */
const databaseOf = (families: number): Sql =>
  ({
    query: async (_statement: unknown, values: readonly unknown[]) => {
      const logins = Math.min(families, values.at(-1) as number);
      return [{ logins, sessions: logins, applications: 3, users: logins }];
    },
  }) as unknown as Sql;

test('never counts beyond 10,000, and says where there are more', async () => {
  const counted = { logins: 10_000, sessions: 10_000, applications: 3, users: 10_000 };
  expect(await readReach({ sql: databaseOf(10_000) }, {})).toEqual({ ...counted, is_more: false });
  expect(await readReach({ sql: databaseOf(5_000_000) }, {})).toEqual({ ...counted, is_more: true });
});
