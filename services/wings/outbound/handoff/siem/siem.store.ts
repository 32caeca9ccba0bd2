import { NEWEST_SEQ } from '#services/core/audit/read/list-events.ts';
import type { Sql } from '#services/core/ports.ts';
import { definePurge } from '#services/core/shared/purge.store.ts';
import { defineQuestion, type Question } from '#services/platform/define/question.ts';
import { defineStatement } from '#services/platform/define/statement.ts';

export type TargetRow = {
  readonly name: string;
  /** The last event that it accepted, or that was skipped. */
  readonly reached_seq: number;
  /** Failed batches in a row. */
  readonly failures: number;
  /** Refusals of the first event after `reachedSeq`. */
  readonly rejections: number;
  /** Code of the failure that lasts; null while it accepts. */
  readonly failure: string | null;
  readonly failed_at: Date | null;
  readonly accepted_at: Date | null;
  /** Whether nothing is sent now, because it failed. */
  readonly is_paused: boolean;
};

const COLUMNS = `name, reached_seq::float8 AS reached_seq, failures, rejections, failure, failed_at,
  accepted_at, coalesce(retry_at > clock_timestamp(), false) AS is_paused`;

/** A new target gets events from now on. */
const targetInsert = defineStatement('siemTargetInsert')`
  INSERT INTO siem_targets (name, reached_seq) VALUES ($1, $2) ON CONFLICT DO NOTHING`;
/** By the primary key. */
const targetRead = defineStatement('siemTargetRead', `SELECT ${COLUMNS} FROM siem_targets WHERE name = $1`);
/** At most eight, and those that were taken out of the settings within 90 days. */
const targetsRead = defineStatement('siemTargetsRead', `SELECT ${COLUMNS} FROM siem_targets ORDER BY name LIMIT 100`);
const targetFollow = defineStatement('siemTargetFollow')`
  UPDATE siem_targets SET followed_at = clock_timestamp()
  WHERE name = $1 AND followed_at < clock_timestamp() - interval '1 hour'`;
/** Does nothing if an operator moved the target while the batch was on its way: its events are then sent again. */
const targetAdvance = defineStatement('siemTargetAdvance')`
  UPDATE siem_targets SET reached_seq = $3, failures = 0, rejections = 0, failure = NULL, failed_at = NULL, retry_at = NULL,
    accepted_at = CASE WHEN $4 THEN clock_timestamp() ELSE accepted_at END, followed_at = clock_timestamp()
  WHERE name = $1 AND reached_seq = $2 RETURNING 1`;
const targetFail = defineStatement('siemTargetFail')`
  UPDATE siem_targets SET failures = failures + 1, rejections = rejections + $4, failure = $3, followed_at = clock_timestamp(),
    failed_at = coalesce(failed_at, clock_timestamp()), retry_at = clock_timestamp() + make_interval(secs => $5)
  WHERE name = $1 AND reached_seq = $2`;
/** Only backwards: what was never sent cannot be left out. */
const targetReplay = defineStatement('siemTargetReplay')`
  UPDATE siem_targets SET reached_seq = $2, rejections = 0, retry_at = NULL
  WHERE name = $1 AND reached_seq >= $2 RETURNING ${COLUMNS}`;

/** Targets are few. */
export const exportIsDue = (targets: readonly string[]): Question =>
  defineQuestion(
    `EXISTS (SELECT FROM siem_targets
       WHERE name = ANY ($1) AND coalesce(retry_at <= clock_timestamp(), true) AND reached_seq < ${NEWEST_SEQ})`,
    targets,
  );

/** A target that is configured again after this time is a new one. Index: siem_targets_followed_at. */
export const siemTargetPurge = definePurge({
  table: 'siem_targets',
  id: 'name',
  ends: 'followed_at',
  stays: `interval '90 days'`,
});

export const insertTarget = async (tx: Sql, name: string, reachedSeq: number): Promise<void> => {
  await tx.query(targetInsert, [name, reachedSeq]);
};
export const readTarget = async (tx: Sql, name: string): Promise<TargetRow | undefined> =>
  (await tx.query<TargetRow>(targetRead, [name]))[0];
export const readTargets = (sql: Sql): Promise<TargetRow[]> => sql.query<TargetRow>(targetsRead, []);
export const followTarget = async (tx: Sql, name: string): Promise<void> => {
  await tx.query(targetFollow, [name]);
};
/** False if an operator moved the target meanwhile. `isAccepted` is false if the events were skipped. */
export const advanceTarget = async (
  tx: Sql,
  { name, reached_seq: reachedSeq }: Pick<TargetRow, 'name' | 'reached_seq'>,
  to: number,
  isAccepted: boolean,
): Promise<boolean> => (await tx.query(targetAdvance, [name, reachedSeq, to, isAccepted])).length === 1;
export const failTarget = async (
  sql: Sql,
  { name, reached_seq: reachedSeq }: Pick<TargetRow, 'name' | 'reached_seq'>,
  { code, isRejection, pauseSeconds }: { code: string; isRejection: boolean; pauseSeconds: number },
): Promise<void> => {
  await sql.query(targetFail, [name, reachedSeq, code, isRejection ? 1 : 0, pauseSeconds]);
};
export const replayTarget = async (tx: Sql, name: string, reachedSeq: number): Promise<TargetRow | undefined> =>
  (await tx.query<TargetRow>(targetReplay, [name, reachedSeq]))[0];
