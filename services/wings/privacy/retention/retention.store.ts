import type { Sql } from '#services/core/ports.ts';
import { placeTime } from '#services/core/shared/pagination.ts';
import { defineQuestion } from '#services/platform/define/question.ts';
import { defineStatement, type Statement } from '#services/platform/define/statement.ts';
import type { LegalHoldView, RetentionRunView } from './retention-contract.ts';
import type { RetentionKind } from './retention-shapes.ts';

type Records = {
  readonly kind: RetentionKind;
  /** Constant SQL. `t` is the table; `$1` is the number of days. */
  readonly table: string;
  /** When its time begins; a record in which this is NULL is kept. */
  readonly ends: string;
  readonly where?: string;
  /** The person that a legal hold protects. */
  readonly subject?: string;
  /** In place of deleting the row. */
  readonly set?: string;
};

/** Which records are overdue, and what is done with them. Sealed events are kept: the log is append-only. */
const records: readonly Records[] = [
  { kind: 'users', table: 'users', ends: '"disabledAt"', subject: 'id' },
  {
    kind: 'phi',
    table: 'phi_data_keys',
    ends: 'created_at',
    where: 't.shredded_at IS NULL',
    subject: 'subject_id',
    set: `wrapped = '', kek_version = NULL, shredded_at = clock_timestamp()`,
  },
  {
    kind: 'exports',
    table: 'phi_requests',
    ends: 'finished_at',
    where: `t.state = 'done' AND t.result IS NOT NULL`,
    subject: 'subject_id',
    set: 'result = NULL',
  },
  { kind: 'shredded_keys', table: 'phi_data_keys', ends: 'shredded_at', subject: 'subject_id' },
  { kind: 'restrictions', table: 'phi_restrictions', ends: 'ended_at', subject: 'subject_id' },
  { kind: 'emergency_accesses', table: 'phi_break_glass', ends: 'reviewed_at', subject: 'subject_id' },
  { kind: 'disclosures', table: 'phi_disclosures', ends: 'disclosed_at', subject: 'subject_id' },
  {
    kind: 'privacy_requests',
    table: 'phi_requests',
    ends: 'finished_at',
    where: `t.state = 'done'`,
    subject: 'subject_id',
  },
  // The newest decision counts for as long as it stands.
  {
    kind: 'consents',
    table: 'phi_consents',
    ends: 'recorded_at',
    where: `EXISTS (SELECT 1 FROM phi_consents n WHERE n.subject_id = t.subject_id AND n.purpose = t.purpose AND n.version > t.version)`,
    subject: 'subject_id',
  },
  { kind: 'legal_holds', table: 'legal_holds', ends: 'ended_at', subject: 'subject_id' },
  { kind: 'retention_runs', table: 'retention_runs', ends: 'finished_at', where: `t.state = 'done'` },
];

const dueOf = ({ ends, where = 'true', subject }: Records): string =>
  `t.${ends} < now() - make_interval(days => $1::int) AND ${where}` +
  (subject === undefined
    ? ''
    : ` AND NOT EXISTS (SELECT 1 FROM legal_holds h WHERE h.subject_id = t.${subject} AND h.ended_at IS NULL)`);

const ofKinds = (define: (records: Records) => Statement): ReadonlyMap<RetentionKind, Statement> =>
  new Map(records.map((each) => [each.kind, define(each)]));

const counts = ofKinds(
  (each) =>
    defineStatement(`retentionCount_${each.kind}`)`
    SELECT count(*)::int AS count FROM ${each.table} t WHERE ${dueOf(each)}`,
);

// Run once a day, in batches: tables of the size of these are scanned. Locks in id order, and skips locked rows.
const applies = ofKinds(
  (each) =>
    defineStatement(`retentionApply_${each.kind}`)`
    WITH due AS MATERIALIZED (
      SELECT t.id FROM ${each.table} t WHERE ${dueOf(each)} ORDER BY t.id LIMIT $2 FOR UPDATE SKIP LOCKED
    )
    ${each.set === undefined ? `DELETE FROM ${each.table} r` : `UPDATE ${each.table} r SET ${each.set}`}
    ${each.set === undefined ? 'USING' : 'FROM'} due WHERE r.id = due.id RETURNING 1`,
);

const policiesRead = defineStatement('retentionPoliciesRead')`
  SELECT kind, keep_days, ${placeTime('changed_at')} AS changed_at FROM retention_policies ORDER BY kind`;
const policySet = defineStatement('retentionPolicySet')`
  UPDATE retention_policies SET keep_days = $2, changed_at = clock_timestamp() WHERE kind = $1
  RETURNING kind, keep_days, ${placeTime('changed_at')} AS changed_at`;

const HOLD = `id AS hold_id, subject_id, ${placeTime('created_at')} AS created_at, ${placeTime('ended_at')} AS ended_at`;
const holdInsert = defineStatement('legalHoldInsert')`
  INSERT INTO legal_holds (id, subject_id) VALUES ($1, $2) RETURNING ${HOLD}`;
const holdEnd = defineStatement('legalHoldEnd')`
  UPDATE legal_holds SET ended_at = clock_timestamp() WHERE id = $1 AND subject_id = $2 AND ended_at IS NULL
  RETURNING ${HOLD}`;
const holdsList = defineStatement('legalHoldsList')`
  SELECT ${HOLD} FROM legal_holds WHERE subject_id = $1 ORDER BY legal_holds.created_at DESC LIMIT 200`;
/** By index legal_holds_open. */
const holdOpen = defineStatement('legalHoldOpen')`
  SELECT 1 FROM legal_holds WHERE subject_id = $1 AND ended_at IS NULL LIMIT 1`;

const RUN = `id AS run_id, dry_run, state, ${placeTime('created_at')} AS created_at,
  ${placeTime('finished_at')} AS finished_at, counts`;
const runInsert = defineStatement('retentionRunInsert')`
  INSERT INTO retention_runs (id, dry_run) VALUES ($1, $2) RETURNING ${RUN}`;
const runRead = defineStatement('retentionRunRead', `SELECT ${RUN} FROM retention_runs WHERE id = $1`);
const runReadNext = defineStatement('retentionRunReadNext')`
  SELECT ${RUN} FROM retention_runs WHERE state = 'queued' ORDER BY retention_runs.created_at LIMIT 1`;
/** No run that deletes was begun within a day. */
const IS_DUE = `NOT EXISTS (SELECT FROM retention_runs WHERE NOT dry_run AND created_at > now() - interval '1 day')`;
const runIsDue = defineStatement('retentionRunIsDue', `SELECT ${IS_DUE} AS is_due`);
export const retentionIsDue = defineQuestion(`EXISTS (SELECT FROM retention_runs WHERE state = 'queued') OR ${IS_DUE}`);
const runFinish = defineStatement(
  'retentionRunFinish',
  // A policy may have been lifted since a process that died removed records of its kind.
  `UPDATE retention_runs SET state = 'done', finished_at = clock_timestamp(), counts = removed || $2::jsonb
   WHERE id = $1 AND state = 'queued' RETURNING counts`,
);
/** In the transaction that removes them. By the primary key. */
const runCountRemoved = defineStatement('retentionRunCountRemoved')`
  UPDATE retention_runs SET removed = removed || jsonb_build_object($2::text, coalesce((removed ->> $2::text)::int, 0) + $3::int)
  WHERE id = $1 RETURNING (removed ->> $2::text)::int AS total`;
const runsList = defineStatement('retentionRunsList')`
  SELECT ${RUN} FROM retention_runs ORDER BY retention_runs.created_at DESC LIMIT 20`;

export type RetentionPolicyRow = {
  readonly kind: RetentionKind;
  readonly keep_days: number | null;
  readonly changed_at: string;
};
export const readRetentionPolicies = (sql: Sql): Promise<RetentionPolicyRow[]> =>
  sql.query<RetentionPolicyRow>(policiesRead);
export const writeRetentionPolicy = async (
  tx: Sql,
  kind: RetentionKind,
  keepDays: number | null,
): Promise<RetentionPolicyRow> =>
  (await tx.query<RetentionPolicyRow>(policySet, [kind, keepDays]))[0] as RetentionPolicyRow;

export const countDue = async (sql: Sql, kind: RetentionKind, keepDays: number): Promise<number> =>
  (await sql.query<{ count: number }>(counts.get(kind)!, [keepDays]))[0]!.count;
/** One batch; the number of records. */
export const applyRetention = async (tx: Sql, kind: RetentionKind, keepDays: number, limit: number): Promise<number> =>
  (await tx.query(applies.get(kind)!, [keepDays, limit])).length;

export const insertHold = async (tx: Sql, id: string, subjectId: string): Promise<LegalHoldView> =>
  (await tx.query<LegalHoldView>(holdInsert, [id, subjectId]))[0] as LegalHoldView;
export const endHoldRow = async (tx: Sql, id: string, subjectId: string): Promise<LegalHoldView | undefined> =>
  (await tx.query<LegalHoldView>(holdEnd, [id, subjectId]))[0];
export const listHoldRows = (sql: Sql, subjectId: string): Promise<LegalHoldView[]> =>
  sql.query<LegalHoldView>(holdsList, [subjectId]);
export const isHeld = async (sql: Sql, subjectId: string): Promise<boolean> =>
  (await sql.query(holdOpen, [subjectId])).length === 1;

export const insertRetentionRun = async (tx: Sql, id: string, isDryRun: boolean): Promise<RetentionRunView> =>
  (await tx.query<RetentionRunView>(runInsert, [id, isDryRun]))[0] as RetentionRunView;
export const readRetentionRun = async (sql: Sql, id: string): Promise<RetentionRunView | undefined> =>
  (await sql.query<RetentionRunView>(runRead, [id]))[0];
export const readNextRun = async (sql: Sql): Promise<RetentionRunView | undefined> =>
  (await sql.query<RetentionRunView>(runReadNext))[0];
export const isRunDue = async (sql: Sql): Promise<boolean> =>
  (await sql.query<{ is_due: boolean }>(runIsDue))[0]!.is_due;
/** The final counts; undefined when another run finished it first. */
export const finishRun = async (
  tx: Sql,
  id: string,
  counts: Readonly<Record<string, number>>,
): Promise<Readonly<Record<string, number>> | undefined> =>
  (await tx.query<{ counts: Readonly<Record<string, number>> }>(runFinish, [id, JSON.stringify(counts)]))[0]?.counts;
/** Adds to what the run removed so far; the sum. */
export const countRemoved = async (tx: Sql, id: string, kind: RetentionKind, removed: number): Promise<number> =>
  ((await tx.query<{ total: number }>(runCountRemoved, [id, kind, removed]))[0] as { total: number }).total;
export const listRunRows = (sql: Sql): Promise<RetentionRunView[]> => sql.query<RetentionRunView>(runsList);
