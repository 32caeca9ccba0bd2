import type { Sql } from '#services/core/ports.ts';
import { bytesArray, integerArray } from '#services/core/shared/binary-arrays.ts';
import { definePurge } from '#services/core/shared/purge.store.ts';
import { defineStatement } from '#services/platform/define/statement.ts';

/**
 * Uses the primary key. Of concurrent uses of an assertion, in one batch or on several copies, only one inserts a row. The
 * order keeps batches of several copies from waiting for each other.
 *
 * $1 assertion_hash bytea[] · $2 keep seconds int4[]
 */
const assertionsConsume = defineStatement('clientAssertionsConsume')`
  INSERT INTO client_assertions (assertion_hash, expires_at)
  SELECT hash, clock_timestamp() + make_interval(secs => keep_seconds)
  FROM unnest($1::bytea[], $2::int4[]) AS used (hash, keep_seconds) ORDER BY hash
  ON CONFLICT (assertion_hash) DO NOTHING RETURNING assertion_hash AS hash`;

/** True for each first use of an assertion, in the order given. */
export async function insertAssertions(
  sql: Sql,
  used: readonly { readonly hash: Buffer; readonly keepSeconds: number }[],
): Promise<boolean[]> {
  const rows = await sql.query<{ hash: Buffer }>(assertionsConsume, [
    bytesArray('bytea', 32, used, ({ hash }) => hash),
    integerArray('int4', used, ({ keepSeconds }) => keepSeconds),
  ]);
  const inserted = new Set(rows.map(({ hash }) => hash.toString('base64')));
  return used.map(({ hash }) => inserted.delete(hash.toString('base64')));
}

/** Assertions that have expired. Index: client_assertions_expires_at. */
export const clientAssertionPurge = definePurge({
  table: 'client_assertions',
  id: 'assertion_hash',
  ends: 'expires_at',
  stays: `interval '1 minute'`,
});
