import type { Sql } from '#services/core/ports.ts';
import { defineStatement } from '#services/platform/define/statement.ts';
import type { Finding } from '../findings.store.ts';
import { removalOf } from './own-addresses.ts';
import { defineTally, type Tally } from './tally.store.ts';

/** Where a control reads on, and how many events at once. */
export type LogPlace = { readonly control: string; readonly after: number; readonly limit: number };

/** Events after a number: the last that was read, null if there was none, and those that break a rule. */
export type LogPage = { readonly lastSeq: number | null; readonly broken: readonly Finding[] };

// The index audit_outbox_unsealed, and one row of the log in use.
const sealingRead = defineStatement('complianceSealingRead')`
  SELECT (SELECT count(*)::int FROM audit_log WHERE closed_at IS NULL) AS logs,
    coalesce((SELECT extract(epoch FROM clock_timestamp() - min(occurred_at)) FROM audit_outbox WHERE seq IS NULL), 0)::float8
      AS oldest_unsealed_seconds,
    (SELECT stopped_reason FROM audit_log WHERE closed_at IS NULL) AS stopped_reason,
    (SELECT count(*)::int FROM (SELECT FROM audit_outbox_default LIMIT 1000) stray) AS stray`;
const sinksRead = defineStatement('complianceSinksRead')`
  SELECT s.sink, s.origin, s.size, coalesce(extract(epoch FROM clock_timestamp() - s.failing_since), 0)::float8 AS failing_seconds,
    extract(epoch FROM clock_timestamp() - s.published_at)::float8 AS published_seconds_ago, l.size AS log_size
  FROM audit_sinks s JOIN audit_log l ON l.origin = s.origin AND l.closed_at IS NULL ORDER BY s.sink`;
const headRead = defineStatement('complianceHeadRead')`
  SELECT l.origin, l.size AS log_size, encode(l.root, 'base64') AS log_root, c.size, encode(c.root, 'base64') AS root, c.note,
    extract(epoch FROM clock_timestamp() - c.created_at)::float8 AS age_seconds
  FROM audit_log l LEFT JOIN LATERAL (
    SELECT * FROM audit_checkpoints WHERE origin = l.origin ORDER BY size DESC, root LIMIT 1) c ON true
  WHERE l.closed_at IS NULL`;
const newestSeq = defineStatement('complianceNewestSeq', 'SELECT coalesce(max(seq), -1) AS seq FROM audit_events');
/** All texts that the leaf of an event shows; the leaf only commits to all else. */
const SHOWN = `concat_ws(' ', type, outcome, actor_id, client_id, target_id, detail::text)`;
// A page of events by the primary key: those that break a rule and are not yet findings, and the number of the last one.
const pageSql = (broken: string): string =>
  `WITH page AS MATERIALIZED (SELECT * FROM audit_events WHERE seq > $1 ORDER BY seq LIMIT $2)
   SELECT seq, type, ${SHOWN} AS shown, false AS is_end FROM page WHERE ${broken}
     AND NOT EXISTS (SELECT FROM compliance_findings known WHERE known.control = $3 AND known.seq = page.seq)
   UNION ALL SELECT max(seq), NULL, NULL, true FROM page`;
const actorlessPage = defineStatement(
  'complianceActorlessPage',
  // The leaf names an actor whose id is not ours by a commitment.
  pageSql(
    `actor_kind <> 'anonymous' AND actor_id IS NULL AND convert_from(leaf, 'UTF8')::jsonb #> '{personal,actor}' IS NULL`,
  ),
);
/** An e-mail address, an IPv4 address or a token in a field that every reader of the log sees; read by both languages. */
const PERSONAL =
  '[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+[.][A-Za-z]{2,}|eyJ[A-Za-z0-9_-]{8,}[.]|[^0-9.]([0-9]{1,3}[.]){3}[0-9]{1,3}[^0-9.]';
const addressesPage = defineStatement('complianceAddressesPage', pageSql(`${SHOWN} ~ '${PERSONAL}'`));
/** Audiences that operators declared: of applications, and of clients. A few dozen. */
const audiencesRead = defineStatement('complianceAudiencesRead')`
  SELECT audience FROM applications UNION SELECT unnest(audiences) FROM oauth_clients`;
/** Roles as which processes run, of this release and of the one before. */
const PROCESS_ROLES = `'sallyport_api', 'sallyport_mcp', 'sallyport_worker', 'sallyport_log_sealer', 'sallyport_app', 'sallyport_sealer'`;
/** Triggers that refuse changes of sealed events, and the roles that may try. `resource` names what is missing. */
export const appendOnlyTally = defineTally(
  'complianceAppendOnlyTally',
  `SELECT 21`,
  `SELECT 'no enabled trigger refuses ' || verb.name AS resource
     FROM (VALUES ('UPDATE', 16), ('DELETE', 8), ('TRUNCATE', 32)) verb(name, bit)
     WHERE NOT EXISTS (SELECT FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid
       WHERE t.tgrelid = 'audit_events'::regclass AND t.tgenabled IN ('O', 'A') AND t.tgtype::int & verb.bit <> 0
         AND t.tgtype::int & 2 <> 0 AND p.proname = 'audit_events_only_grow')
   UNION ALL
   SELECT r.rolname || ' may ' || verb.name || ' audit_events'
     FROM pg_roles r, (VALUES ('UPDATE'), ('DELETE'), ('TRUNCATE')) verb(name)
     WHERE r.rolname IN (${PROCESS_ROLES}) AND has_table_privilege(r.oid, 'audit_events', verb.name)`,
);
const KEPT = `(VALUES ('audit_events'), ('audit_tiles'), ('audit_log')) kept(name)`;
/** Tables with records that are kept for six years, and roles that may remove rows of them. */
const removableTally = defineTally(
  'complianceRemovableTally',
  `SELECT count(*) FROM ${KEPT}`,
  `SELECT DISTINCT kept.name AS resource FROM ${KEPT}, pg_roles r, (VALUES ('DELETE'), ('TRUNCATE')) verb(name)
   WHERE r.rolname IN (${PROCESS_ROLES}) AND has_table_privilege(r.oid, kept.name, verb.name)`,
);
const oldestEventRead = defineStatement('complianceOldestEventRead')`
  SELECT to_char(occurred_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS at FROM audit_events ORDER BY seq LIMIT 1`;
export const incidentsTally = defineTally(
  'complianceIncidentsTally',
  `SELECT count(*) FROM incidents`,
  `SELECT id AS resource FROM incidents WHERE state = 'open' AND severity IN ('high', 'critical')
     AND first_seen_at < now() - interval '72 hours'`,
);
const detectionRead = defineStatement('complianceDetectionRead')`
  SELECT (SELECT seq FROM detection_progress) AS seq, (SELECT max(seq) FROM audit_events) AS newest,
    coalesce((SELECT extract(epoch FROM clock_timestamp() - e.sealed_at) FROM audit_events e, detection_progress p
      WHERE e.seq = p.seq + 1), 0)::float8 AS waiting_seconds,
    (SELECT count(*)::int FROM unjudged_events WHERE next_try_at IS NULL) AS set_aside`;
export const schedulesTally = defineTally(
  'complianceSchedulesTally',
  // A job that no worker declares any more belongs to another release.
  `SELECT count(*) FROM job_schedules WHERE declared_at > now() - interval '1 hour'`,
  `SELECT job AS resource FROM job_schedules WHERE declared_at > now() - interval '1 hour'
     AND coalesce(last_succeeded_at, created_at) < now() - make_interval(secs => greatest(every_seconds * 3, 3600))`,
);

export type Sealing = {
  readonly logs: number;
  readonly oldest_unsealed_seconds: number;
  readonly stopped_reason: string | null;
  readonly stray: number;
};
export type SinkRow = {
  readonly sink: string;
  readonly size: number;
  readonly failing_seconds: number;
  readonly published_seconds_ago: number | null;
  readonly log_size: number;
};
type HeadRow = {
  readonly origin: string;
  readonly log_size: number;
  readonly log_root: string;
  readonly size: number | null;
  readonly root: string | null;
  readonly note: string | null;
  readonly age_seconds: number | null;
};

const one = async <R>(rows: Promise<R[]>): Promise<R> => (await rows)[0] as R;

export const readSealing = (sql: Sql): Promise<Sealing> => one(sql.query<Sealing>(sealingRead));
export const readSinks = (sql: Sql): Promise<SinkRow[]> => sql.query<SinkRow>(sinksRead);
export const readHeads = (sql: Sql): Promise<HeadRow[]> => sql.query<HeadRow>(headRead);
export const readNewestSeq = async (sql: Sql): Promise<number> =>
  (await one(sql.query<{ seq: number }>(newestSeq))).seq;

async function pageOf(
  sql: Sql,
  statement: typeof actorlessPage,
  place: LogPlace,
  isBroken: (shown: string) => boolean,
): Promise<LogPage> {
  const rows = await sql.query<{ seq: number | null; type: string; shown: string; is_end: boolean }>(statement, [
    place.after,
    place.limit,
    place.control,
  ]);
  return {
    lastSeq: rows.find((row) => row.is_end)?.seq ?? null,
    broken: rows.flatMap((row) =>
      row.is_end || row.seq === null || !isBroken(row.shown) ? [] : [{ seq: row.seq, type: row.type }],
    ),
  };
}

/** Events of a known kind of actor without an id. */
export const readActorlessPage = (sql: Sql, place: LogPlace): Promise<LogPage> =>
  pageOf(sql, actorlessPage, place, () => true);

/** Events with an address or a token in clear, other than these addresses and the declared audiences. */
export async function readAddressesPage(sql: Sql, place: LogPlace, ownAddresses: readonly string[]): Promise<LogPage> {
  const declared = await sql.query<{ audience: string }>(audiencesRead);
  const withoutOwn = removalOf([...ownAddresses, ...declared.map(({ audience }) => audience)]);
  const personal = new RegExp(PERSONAL);
  return pageOf(sql, addressesPage, place, (shown) => personal.test(withoutOwn(shown)));
}
export const readRemovableTally = (sql: Sql): Promise<Tally> => one(sql.query<Tally>(removableTally));
export const readOldestEvent = async (sql: Sql): Promise<string | null> =>
  (await sql.query<{ at: string }>(oldestEventRead))[0]?.at ?? null;
export const readDetection = (
  sql: Sql,
): Promise<{
  readonly seq: number;
  readonly newest: number | null;
  readonly waiting_seconds: number;
  readonly set_aside: number;
}> => one(sql.query(detectionRead));
