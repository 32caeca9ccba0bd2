import type { Sql } from '#services/core/ports.ts';
import { definePurge } from '#services/core/shared/purge.store.ts';
import { defineStatement } from '#services/platform/define/statement.ts';

// A second import with the same key finds it; its age begins again, so that a purge does not take it from that import.
const keyInsert = defineStatement('importedHashKeyInsert')`
  INSERT INTO imported_hash_keys (id, sealed) VALUES ($1, $2)
  ON CONFLICT (id) DO UPDATE SET created_at = clock_timestamp()`;

/** Index: the primary key. */
const keyFind = defineStatement('importedHashKeyFind', 'SELECT sealed FROM imported_hash_keys WHERE id = $1');

export const insertImportedKey = (tx: Sql, id: string, sealed: string): Promise<unknown> =>
  tx.query(keyInsert, [id, sealed]);

export const findImportedKey = async (sql: Sql, id: string): Promise<string | undefined> =>
  (await sql.query<{ sealed: string }>(keyFind, [id]))[0]?.sealed;

/** A key that no digest names any more, a week after its last import. Index of accounts: accounts_imported_hash_key. */
export const importedKeyPurge = definePurge({
  table: 'imported_hash_keys',
  ends: 'created_at',
  stays: `interval '7 days'`,
  where: `NOT EXISTS (SELECT 1 FROM accounts
    WHERE accounts.password LIKE '$fbscrypt$%'
      AND starts_with(accounts.password, '$fbscrypt$k=' || imported_hash_keys.id || ','))`,
});
