import type { Sql } from '#services/domain/ports.ts';
import { definePurge } from '#services/domain/shared/purge.store.ts';
import { defineStatement } from '#services/platform/define/statement.ts';

/** Uses the primary key. Of concurrent uses of an assertion, on any copies, only one inserts a row. */
const assertionConsume = defineStatement(
  'clientAssertionConsume',
  `INSERT INTO client_assertions (assertion_hash, expires_at)
   VALUES ($1::bytea, clock_timestamp() + make_interval(secs => $2::float8))
   ON CONFLICT (assertion_hash) DO NOTHING RETURNING 1`,
);

/** True for the first use of the assertion. */
export const insertAssertion = async (sql: Sql, assertionHash: Buffer, keepSeconds: number): Promise<boolean> =>
  (await sql.query(assertionConsume, [assertionHash, keepSeconds])).length === 1;

/** Assertions that have expired. Index: client_assertions_expires_at. */
export const clientAssertionPurge = definePurge({
  kind: 'client_assertions',
  table: 'client_assertions',
  id: 'assertion_hash',
  ends: 'expires_at',
  stays: `interval '1 minute'`,
});
