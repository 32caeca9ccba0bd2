import type { Json } from '#services/core/audit/log/canonical-json.ts';
import type { Sql, Tx } from '#services/core/ports.ts';
import { defineStatement } from '#services/platform/define/statement.ts';
import { defineTally, type Tally } from './tally.store.ts';

/** The form of a value that the vault sealed: a version, then at least nonce and tag in base64url. */
const SEALED = `'^v1[.][A-Za-z0-9_-]{38,}$'`;

const sealedKeysTally = defineTally(
  'complianceSealedKeysTally',
  `SELECT (SELECT count(*) FROM jwks WHERE "privateKey" <> '') + (SELECT count(*) FROM server_secrets WHERE secret <> '')`,
  `SELECT 'jwks ' || id AS resource FROM jwks WHERE "privateKey" <> '' AND "privateKey" !~ ${SEALED}
   UNION ALL SELECT 'server_secrets ' || purpose || ' ' || version FROM server_secrets WHERE secret <> '' AND secret !~ ${SEALED}`,
);
/** One sealed private key, to be opened. The newest: the key that signs or will sign. */
const sealedKeyRead = defineStatement('complianceSealedKeyRead')`
  SELECT id, purpose, "privateKey" AS sealed FROM jwks WHERE "privateKey" <> '' ORDER BY "createdAt" DESC, id LIMIT 1`;
export const sealedContentTally = defineTally(
  'complianceSealedContentTally',
  `SELECT (SELECT count(*) FROM one_time_codes WHERE sealed IS NOT NULL) + (SELECT count(*) FROM mail_outbox)`,
  `SELECT 'one_time_codes ' || id AS resource FROM one_time_codes WHERE sealed !~ ${SEALED}
   UNION ALL SELECT 'mail_outbox ' || id FROM mail_outbox WHERE sealed !~ ${SEALED}`,
);
const keysDueTally = defineStatement(
  'complianceKeysDueTally',
  // A day of grace: the worker rotates at the next run of its job.
  `WITH signing AS (
     SELECT id, purpose, extract(epoch FROM clock_timestamp() - lower(signs)) / 86400 AS days FROM jwks
     WHERE compromised_at IS NULL AND alg <> 'HS256' AND signs @> clock_timestamp()
   ), broken AS (
     SELECT id AS resource FROM signing
     WHERE days > CASE purpose WHEN 'audit-log' THEN 365 ELSE (SELECT rotation_days FROM key_policy) END + 1
   )
   SELECT (SELECT count(*)::int FROM signing) AS population, (SELECT count(*)::int FROM broken) AS broken,
     ARRAY(SELECT resource FROM broken ORDER BY resource LIMIT 20) AS resources,
     coalesce((SELECT max(days) FROM signing), 0)::int AS oldest_days`,
);
/** Private keys are destroyed seconds after their range; a day late is overdue. HS256 secrets verify, so they stay. */
export const undestroyedTally = defineTally(
  'complianceUndestroyedTally',
  `SELECT count(*) FROM jwks WHERE alg <> 'HS256' AND upper(signs) < clock_timestamp() - interval '1 day'`,
  `SELECT id AS resource FROM jwks WHERE alg <> 'HS256' AND "privateKey" <> ''
     AND upper(signs) < clock_timestamp() - interval '1 day'`,
);
/** A wrapped data key: its version, then nonce, tag and key in base64url. */
export const phiKeysTally = defineTally(
  'compliancePhiKeysTally',
  `SELECT (SELECT count(*) FROM phi_keys WHERE sealed <> '') + (SELECT count(*) FROM phi_data_keys WHERE wrapped <> '')`,
  `SELECT 'phi_keys ' || version AS resource FROM phi_keys WHERE sealed <> '' AND sealed !~ ${SEALED}
   UNION ALL SELECT 'phi_data_keys ' || id FROM phi_data_keys WHERE wrapped <> '' AND wrapped !~ '^dk1[.][A-Za-z0-9_-]{60,}$'`,
);
/** A day of grace, and no fault while a rotation runs. */
const phiRotationTally = defineStatement('compliancePhiRotationTally')`
  WITH broken AS MATERIALIZED (
    SELECT version AS resource FROM phi_keys k WHERE sealed <> '' AND NOT EXISTS (SELECT FROM phi_rotations WHERE state = 'running')
      AND (created_at < clock_timestamp() - make_interval(secs => ($1::float8 + 1) * 86400)
           AND version = (SELECT max(version) FROM phi_keys)
        OR version < (SELECT max(version) FROM phi_keys)
           AND EXISTS (SELECT FROM phi_data_keys d WHERE d.kek_version = k.version AND d.shredded_at IS NULL)))
  SELECT (SELECT count(*)::int FROM phi_keys WHERE sealed <> '') AS population, (SELECT count(*)::int FROM broken) AS broken,
    ARRAY(SELECT resource::text FROM broken ORDER BY resource LIMIT 20) AS resources`;
const feedRead = defineStatement('complianceFeedRead')`
  SELECT incarnation, replaced, revocation_epoch, beat FROM feed_state`;
/** As the database user itself: a role without more rights does not see the state of its own connection. */
const ownUserTake = defineStatement('complianceOwnUserTake', 'SET LOCAL ROLE NONE');
const connectionRead = defineStatement('complianceConnectionRead')`
  SELECT ssl, version FROM pg_stat_ssl WHERE pid = pg_backend_pid()`;
// The index audit_events_type, from its end.
const newestDrillRead = defineStatement('complianceNewestDrillRead')`
  SELECT outcome, detail, extract(epoch FROM clock_timestamp() - occurred_at)::float8 AS seconds_ago FROM audit_events
  WHERE type = 'operations.restore_rehearsed' ORDER BY seq DESC LIMIT 1`;
const archiverRead = defineStatement('complianceArchiverRead')`
  SELECT current_setting('archive_mode') AS mode,
    extract(epoch FROM clock_timestamp() - last_archived_time)::float8 AS seconds_ago, failed_count AS failed FROM pg_stat_archiver`;

/** Statements that the role of a process must not run. None changes a row, even where it is allowed. */
export const FORBIDDEN = [
  [
    'change sealed events',
    defineStatement('complianceTryUpdateEvents', 'UPDATE audit_events SET outcome = outcome WHERE false'),
  ],
  ['delete sealed events', defineStatement('complianceTryDeleteEvents', 'DELETE FROM audit_events WHERE false')],
  [
    'insert sealed events',
    defineStatement('complianceTryInsertEvents', 'INSERT INTO audit_events SELECT * FROM audit_events WHERE false'),
  ],
  ['delete unsealed events', defineStatement('complianceTryDeleteOutbox', 'DELETE FROM audit_outbox WHERE false')],
  ['change the log’s head', defineStatement('complianceTryUpdateLog', 'UPDATE audit_log SET size = size WHERE false')],
  [
    'delete checkpoints',
    defineStatement('complianceTryDeleteCheckpoints', 'DELETE FROM audit_checkpoints WHERE false'),
  ],
  [
    'rewrite the history of migrations',
    defineStatement('complianceTryUpdateMigrations', 'UPDATE _prisma_migrations SET checksum = checksum WHERE false'),
  ],
  ['create a table', defineStatement('complianceTryCreateTable', 'CREATE TABLE compliance_probe (id integer)')],
] as const;

const savepointSet = defineStatement('complianceSavepointSet', 'SAVEPOINT probe');
const savepointReturn = defineStatement('complianceSavepointReturn', 'ROLLBACK TO SAVEPOINT probe');

const one = async <R>(rows: Promise<R[]>): Promise<R> => (await rows)[0] as R;

/** SQLSTATE with which the database refused a statement; null if it ran. */
export async function refusalOf(tx: Tx, [, statement]: (typeof FORBIDDEN)[number]): Promise<string | null> {
  await tx.query(savepointSet);
  try {
    await tx.query(statement);
    return null;
  } catch (err) {
    return String((err as { code?: unknown }).code);
  } finally {
    await tx.query(savepointReturn);
  }
}

export const readSealedKeysTally = (sql: Sql): Promise<Tally> => one(sql.query<Tally>(sealedKeysTally));
export const readSealedKey = async (
  sql: Sql,
): Promise<{ readonly id: string; readonly purpose: string; readonly sealed: string } | undefined> =>
  (await sql.query<{ id: string; purpose: string; sealed: string }>(sealedKeyRead))[0];
export const readKeysDueTally = (sql: Sql): Promise<Tally & { readonly oldest_days: number }> =>
  one(sql.query<Tally & { oldest_days: number }>(keysDueTally));
export const readPhiRotationTally = (sql: Sql, days: number): Promise<Tally> =>
  one(sql.query<Tally>(phiRotationTally, [days]));
export const readFeed = (
  sql: Sql,
): Promise<{
  readonly incarnation: string;
  readonly replaced: readonly string[];
  readonly revocation_epoch: number;
  readonly beat: number;
}> => one(sql.query(feedRead));
export async function readConnection(tx: Tx): Promise<{ readonly ssl: boolean; readonly version: string | null }> {
  await tx.query(ownUserTake);
  return one(tx.query(connectionRead));
}
export const readArchiver = (
  sql: Sql,
): Promise<{ readonly mode: string; readonly seconds_ago: number | null; readonly failed: number }> =>
  one(sql.query(archiverRead));
export const readNewestDrill = async (
  sql: Sql,
): Promise<{ readonly outcome: string; readonly detail: Json; readonly seconds_ago: number } | null> =>
  (await sql.query<{ outcome: string; detail: Json; seconds_ago: number }>(newestDrillRead))[0] ?? null;
