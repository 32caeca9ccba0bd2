import type { Sql } from '#services/core/ports.ts';
import { defineStatement } from '#services/platform/define/statement.ts';

/** A column whose values are those of another table, without a foreign key that says so. */
export type Reference = {
  readonly table: string;
  readonly column: string;
  readonly to: string;
  readonly to_column: string;
  /** Rows that must have their counterpart; all by default. */
  readonly where?: string;
};

const LIVE = 'revoked_at IS NULL AND expires_at > clock_timestamp()';

/** Not declared, because a row trigger or a rule ends what depends on a row, and old rows may outlive it. */
const UNDECLARED: readonly Reference[] = [
  { table: 'refresh_families', column: 'user_id', to: 'users', to_column: 'id', where: LIVE },
  { table: 'refresh_families', column: 'client_id', to: 'oauth_clients', to_column: 'clientId', where: LIVE },
  { table: 'refresh_families', column: 'sid', to: 'sessions', to_column: 'id', where: LIVE },
  { table: 'audit_personal', column: 'seq', to: 'audit_events', to_column: 'seq' },
];

/** Ids that are shown of each finding. */
const EXAMPLES = 5;

// Reads the catalogue. Foreign keys of one column; the product has no others.
const declaredRead = defineStatement('integrityDeclaredRead')`
  SELECT c.conrelid::regclass::text AS "table", a.attname AS "column", c.confrelid::regclass::text AS "to", f.attname AS to_column
  FROM pg_constraint c JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1]
    JOIN pg_attribute f ON f.attrelid = c.confrelid AND f.attnum = c.confkey[1]
  WHERE c.contype = 'f' AND c.conparentid = 0 AND cardinality(c.conkey) = 1 AND c.connamespace = current_schema()::regnamespace
  ORDER BY 1, 2`;
const guardsRead = defineStatement('integrityGuardsRead')`
  SELECT 'constraint_not_validated' AS kind, conrelid::regclass::text AS "table", conname::text AS name FROM pg_constraint
  WHERE NOT convalidated AND connamespace = current_schema()::regnamespace
  UNION ALL SELECT 'trigger_disabled', t.tgrelid::regclass::text, t.tgname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
  WHERE t.tgenabled = 'D' AND c.relnamespace = current_schema()::regnamespace
  UNION ALL SELECT 'index_invalid', i.indrelid::regclass::text, c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
  WHERE NOT i.indisvalid AND c.relnamespace = current_schema()::regnamespace ORDER BY 1, 2, 3`;
// Reads whole tables, a few minutes of revocations.
const feedFaultsRead = defineStatement('integrityFeedFaultsRead')`
  SELECT (SELECT count(*) FROM revocations WHERE epoch IS NULL) AS unnumbered,
    (SELECT count(*) FROM revocations r, feed_state s WHERE r.epoch > s.revocation_epoch) AS ahead,
    (SELECT count(*) FROM revocations r JOIN users u ON r.kind = 'user' AND u.id = r.value WHERE r.token_epoch > u."tokenEpoch") AS users,
    (SELECT count(*) FROM revocations r JOIN oauth_clients c ON r.kind = 'client' AND c."clientId" = r.value WHERE r.token_epoch > c."tokenEpoch") AS clients`;

type Guard = {
  readonly kind: 'constraint_not_validated' | 'trigger_disabled' | 'index_invalid';
  readonly table: string;
  readonly name: string;
};
type FeedFaults = {
  readonly unnumbered: number;
  readonly ahead: number;
  readonly users: number;
  readonly clients: number;
};

/** References of the schema, declared or not, each once. */
export const readReferences = async (sql: Sql): Promise<Reference[]> => [
  ...(await sql.query<Reference>(declaredRead)),
  ...UNDECLARED,
];

const quoted = (name: string): string => (name.startsWith('"') ? name : `"${name}"`);

/** Rows whose counterpart is missing: how many, and some of the values that lead nowhere. Reads both tables. */
export async function readOrphans(
  sql: Sql,
  { table, column, to, to_column: toColumn, where = 'true' }: Reference,
): Promise<{ readonly rows: number; readonly examples: readonly string[] }> {
  const [from, at, other, key] = [table, column, to, toColumn].map(quoted);
  const statement = defineStatement('')`
    SELECT count(*) AS rows, coalesce((array_agg(DISTINCT o.${at}::text))[1:${EXAMPLES}], '{}') AS examples
    FROM ${from} o WHERE ${where} AND o.${at} IS NOT NULL AND NOT EXISTS (SELECT FROM ${other} t WHERE t.${key} = o.${at})`;
  const [row] = await sql.query<{ rows: number; examples: string[] }>(statement);
  return row as { rows: number; examples: string[] };
}

/** Constraints, triggers and indexes that are not in force. */
export const readIdleGuards = (sql: Sql): Promise<Guard[]> => sql.query<Guard>(guardsRead);

export async function readFeedFaults(sql: Sql): Promise<FeedFaults> {
  const [row] = await sql.query<FeedFaults>(feedFaultsRead);
  return row as FeedFaults;
}
