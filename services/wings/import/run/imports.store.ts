import type { Sql } from '#services/core/ports.ts';
import { placeTime } from '#services/core/shared/pagination.ts';
import { definePurge } from '#services/core/shared/purge.store.ts';
import { defineQuestion } from '#services/platform/define/question.ts';
import { defineStatement } from '#services/platform/define/statement.ts';
import type { NoticeView, RejectView } from '../contract.ts';
import type { SourceDigest } from '../import-shapes.ts';
import type { LineNotice, Reject } from './plan-batch.ts';

/** Runs, with the records they rejected, are kept for this time after their last batch. Index: imports_touched_at. */
export const importPurge = definePurge({ table: 'imports', ends: 'touched_at', stays: `interval '90 days'` });

/** For this time a user who was deleted here is not imported again. Index: legacy_users_ended_at. */
export const endedLegacyUserPurge = definePurge({
  kind: 'ended_legacy_users',
  table: 'legacy_users',
  ends: 'ended_at',
  stays: `interval '400 days'`,
  where: 'ended_at IS NOT NULL',
});

/** While a run is open, also one of the command, and for a minute after its last batch, so that the metrics show its end. Indexes: imports_open, imports_touched_at. */
export const importsAreDue = defineQuestion(
  `EXISTS (SELECT FROM imports WHERE finished_at IS NULL)
   OR EXISTS (SELECT FROM imports WHERE touched_at > clock_timestamp() - interval '1 minute')`,
);

type ImportState = 'waiting' | 'running' | 'done' | 'failed';
export type ImportRow = {
  readonly id: string;
  readonly kind: string;
  readonly source_sha256: string;
  readonly map_sha256: string;
  readonly source_bytes: number;
  readonly state: ImportState;
  readonly position: number;
  readonly position_bytes: number;
  readonly new_count: number;
  readonly changed_count: number;
  readonly same_count: number;
  readonly linked_count: number;
  readonly rejected_count: number;
  readonly hash_formats: Readonly<Record<string, number>>;
  readonly reject_reasons: Readonly<Record<string, number>>;
  /** This and the next are null in a run of before, which did not count them. */
  readonly factors_lost_count: number | null;
  /** By notice and member, as `left_out.image`. */
  readonly notices: Readonly<Record<string, number>> | null;
  readonly users_sha256: string | null;
  readonly actor_kind: string;
  readonly actor_id: string | null;
  readonly reason: string;
  readonly failure: string | null;
  readonly event_id: string | null;
  readonly created_at: string;
  readonly touched_at: string;
  readonly finished_at: string | null;
};

const COLUMNS = `id, kind, source_sha256, map_sha256, source_bytes, state, position, position_bytes, new_count, changed_count,
  same_count, linked_count, rejected_count, hash_formats, reject_reasons, factors_lost_count, notices, users_sha256, actor_kind, actor_id, reason, failure,
  event_id, ${placeTime('created_at')} AS created_at, ${placeTime('touched_at')} AS touched_at,
  ${placeTime('finished_at')} AS finished_at`;

/** Index: imports_open. */
const openRead = defineStatement('importOpenRead')`
  SELECT ${COLUMNS} FROM imports WHERE kind = $1 AND source_sha256 = $2 AND map_sha256 = $3 AND finished_at IS NULL`;
const importRead = defineStatement('importRead', `SELECT ${COLUMNS} FROM imports WHERE id = $1::uuid`);
/** Index: imports_created_at. */
const importsPage = defineStatement('importsPage')`
  SELECT ${COLUMNS} FROM imports i WHERE $1::timestamptz IS NULL OR (i.created_at, i.id) < ($1, $2::uuid)
  ORDER BY i.created_at DESC, i.id DESC LIMIT $3`;
/** Of two starts of one file one inserts; the other goes on with that run. */
const importInsert = defineStatement('importInsert')`
  INSERT INTO imports (id, kind, source_sha256, map_sha256, source_bytes, map, state, actor_kind, actor_id, reason,
    factors_lost_count, notices)
  VALUES ($1::uuid, $2, $3, $4, $5, $6::jsonb, $7, $8, $9, $10, 0, '{}')
  ON CONFLICT (kind, source_sha256, map_sha256) WHERE finished_at IS NULL DO NOTHING RETURNING ${COLUMNS}`;
/** Two processes that import one file meet here: the second finds another position. */
/** The triggers of the transaction learn who asked: an import grants that person nothing that the person could not grant. */
const importLock = defineStatement('importLock')`
  SELECT ${COLUMNS}, set_config('sallyport.import_actor_kind', actor_kind, true),
    set_config('sallyport.import_actor_id', coalesce(actor_id, ''), true)
  FROM imports WHERE id = $1::uuid FOR NO KEY UPDATE`;
const importAdvance = defineStatement('importAdvance')`
  UPDATE imports SET state = 'running', position = $2, position_bytes = $3, new_count = new_count + $4,
    changed_count = changed_count + $5, same_count = same_count + $6, linked_count = linked_count + $7,
    rejected_count = rejected_count + $8, hash_formats = $9::jsonb, reject_reasons = $10::jsonb, users_sha256 = $11,
    factors_lost_count = coalesce(factors_lost_count, 0) + $12, notices = $13::jsonb, touched_at = clock_timestamp()
  WHERE id = $1::uuid`;
const importFinish = defineStatement('importFinish')`
  UPDATE imports SET state = $2, users_sha256 = $3, failure = $4, event_id = $5::uuid, touched_at = clock_timestamp(),
    finished_at = clock_timestamp(), source_sha256 = coalesce($6, source_sha256),
    source_bytes = coalesce($7::bigint, source_bytes) WHERE id = $1::uuid AND finished_at IS NULL RETURNING ${COLUMNS}`;
const rejectsInsert = defineStatement('importRejectsInsert')`
  INSERT INTO import_rejects (import_id, record, line, reason, value)
  SELECT $1::uuid, record, line, reason, value
  FROM jsonb_to_recordset($2::jsonb) AS n (record bigint, line bigint, reason text, value text)
  ON CONFLICT DO NOTHING`;
const noticesInsert = defineStatement('importNoticesInsert')`
  INSERT INTO import_notices (import_id, record, place, line, notice, member, value)
  SELECT $1::uuid, record, place, line, notice, member, value
  FROM jsonb_to_recordset($2::jsonb) AS n (record bigint, place smallint, line bigint, notice text, member text, value text)
  ON CONFLICT DO NOTHING`;
/** Index: the primary key. */
const noticesRead = defineStatement('importNoticesRead')`
  SELECT record, line, notice, member, value FROM import_notices WHERE import_id = $1::uuid ORDER BY record, place LIMIT $2`;
/** Index: the primary key. */
const rejectsRead = defineStatement('importRejectsRead')`
  SELECT record, line, reason, value FROM import_rejects WHERE import_id = $1::uuid ORDER BY record LIMIT $2`;
/** Reads every run that is kept: a few hundred. A failed run counts what it has read. */
const totalsRead = defineStatement('importTotalsRead')`
  SELECT coalesce(sum(new_count), 0)::float8 AS new, coalesce(sum(changed_count), 0)::float8 AS changed,
    coalesce(sum(same_count), 0)::float8 AS same, coalesce(sum(rejected_count), 0)::float8 AS rejected,
    coalesce(sum(CASE WHEN state = 'done' THEN source_bytes ELSE position_bytes END), 0)::float8 AS bytes_read,
    coalesce(sum(CASE WHEN state = 'failed' THEN position_bytes ELSE source_bytes END), 0)::float8 AS bytes_all
  FROM imports`;
/** Index: legacy_users_legacy_id. */
const legacyCount = defineStatement('importLegacyCount')`
  SELECT provider, count(DISTINCT user_id)::int AS users, count(DISTINCT user_id) FILTER (WHERE lazy)::int AS lazy,
    count(*) FILTER (WHERE user_id IS NULL)::int AS deleted
  FROM legacy_users GROUP BY provider ORDER BY provider`;

const first = async (rows: Promise<ImportRow[]>): Promise<ImportRow | undefined> => (await rows)[0];

export const readOpenImport = (sql: Sql, kind: string, source: string, map: string): Promise<ImportRow | undefined> =>
  first(sql.query<ImportRow>(openRead, [kind, source, map]));
export const readImportRow = (sql: Sql, id: string): Promise<ImportRow | undefined> =>
  first(sql.query<ImportRow>(importRead, [id]));
export const readImportsPage = (sql: Sql, after: readonly string[] | undefined, limit: number): Promise<ImportRow[]> =>
  sql.query<ImportRow>(importsPage, [after?.[0] ?? null, after?.[1] ?? null, limit]);
export const lockImport = (tx: Sql, id: string): Promise<ImportRow | undefined> =>
  first(tx.query<ImportRow>(importLock, [id]));

type NewImport = Pick<ImportRow, 'id' | 'kind' | 'source_sha256' | 'map_sha256' | 'source_bytes' | 'state'> &
  Pick<ImportRow, 'actor_kind' | 'actor_id' | 'reason'> & { readonly map: object };

/** Undefined if a run of this file is open. */
export const insertImport = (tx: Sql, row: NewImport): Promise<ImportRow | undefined> =>
  first(
    tx.query<ImportRow>(importInsert, [
      row.id,
      row.kind,
      row.source_sha256,
      row.map_sha256,
      row.source_bytes,
      JSON.stringify(row.map),
      row.state,
      row.actor_kind,
      row.actor_id,
      row.reason,
    ]),
  );

export type ImportCounts = Readonly<
  Record<'new' | 'changed' | 'same' | 'linked' | 'rejected' | 'factors_lost', number>
>;
export const countsOfRow = (row: ImportRow): Omit<ImportCounts, 'factors_lost'> => ({
  new: row.new_count,
  changed: row.changed_count,
  same: row.same_count,
  linked: row.linked_count,
  rejected: row.rejected_count,
});
/** How many have which format, reason or notice. */
export type ImportSums = Readonly<Record<'hash_formats' | 'reject_reasons' | 'notices', ImportRow['hash_formats']>>;

/** The counts of a batch, and the sums of the whole run with it. */
type ImportStep = ImportCounts &
  ImportSums & {
    readonly position: number;
    readonly bytes: number;
    /** Of the users up to this place. */
    readonly usersSha256: string;
  };

export const advanceImport = async (tx: Sql, id: string, step: ImportStep): Promise<void> => {
  await tx.query(importAdvance, [
    id,
    step.position,
    step.bytes,
    step.new,
    step.changed,
    step.same,
    step.linked,
    step.rejected,
    JSON.stringify(step.hash_formats),
    JSON.stringify(step.reject_reasons),
    step.usersSha256,
    step.factors_lost,
    JSON.stringify(step.notices),
  ]);
};

export type ImportEnd = {
  readonly state: 'done' | 'failed';
  readonly usersSha256: string | null;
  readonly failure: string | null;
  readonly eventId: string;
  /** What was read, of a source whose digest was not known before. */
  readonly source?: SourceDigest | null;
};

export const finishImport = (tx: Sql, id: string, end: ImportEnd): Promise<ImportRow | undefined> =>
  first(
    tx.query<ImportRow>(importFinish, [
      id,
      end.state,
      end.usersSha256,
      end.failure,
      end.eventId,
      end.source?.sha256 ?? null,
      end.source?.bytes ?? null,
    ]),
  );

export const insertRejects = async (tx: Sql, id: string, rejects: readonly Reject[]): Promise<void> => {
  if (rejects.length > 0) await tx.query(rejectsInsert, [id, JSON.stringify(rejects)]);
};

export const insertNotices = async (tx: Sql, id: string, notices: readonly LineNotice[]): Promise<void> => {
  if (notices.length > 0) await tx.query(noticesInsert, [id, JSON.stringify(notices)]);
};

export const readNoticeRows = (sql: Sql, id: string, limit: number): Promise<NoticeView[]> =>
  sql.query<NoticeView>(noticesRead, [id, limit]);

export const readRejects = (sql: Sql, id: string, limit: number): Promise<RejectView[]> =>
  sql.query<RejectView>(rejectsRead, [id, limit]);

type ImportTotals = Readonly<Record<'new' | 'changed' | 'same' | 'rejected' | 'bytes_read' | 'bytes_all', number>>;
export const readImportTotals = async (sql: Sql): Promise<ImportTotals> =>
  (await sql.query<ImportTotals>(totalsRead))[0] as ImportTotals;

type LegacyCount = {
  readonly provider: string;
  readonly users: number;
  readonly lazy: number;
  readonly deleted: number;
};
export const countLegacyUsers = (sql: Sql): Promise<LegacyCount[]> => sql.query<LegacyCount>(legacyCount);
