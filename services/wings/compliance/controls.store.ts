import { NEWEST_SEALED_AT } from '#services/core/audit/read/list-events.ts';
import type { Sql } from '#services/core/ports.ts';
import { placeTime } from '#services/core/shared/pagination.ts';
import { defineQuestion } from '#services/platform/define/question.ts';
import { defineStatement } from '#services/platform/define/statement.ts';
import type { ControlStatus } from './control-shapes.ts';
import type { CheckResult } from './run-check.ts';

export type ControlRow = Omit<CheckResult, 'readOn' | 'startedAtMs' | 'endedAtMs'> & {
  readonly control: string;
  readonly probe_version: number;
  readonly release: string;
  readonly collector: string;
  readonly started_at: string;
  readonly ended_at: string;
  readonly changed_at: string;
  /** By the database's clock. */
  readonly seconds_ago: number;
};

const COLUMNS = `control, status, reason, population, sampled, exceptions, exception_count, observed,
  observed_sha256, probe_version, release, collector,
  ${placeTime('started_at')} AS started_at, ${placeTime('ended_at')} AS ended_at, ${placeTime('changed_at')} AS changed_at,
  extract(epoch FROM clock_timestamp() - ended_at)::float8 AS seconds_ago`;

/** One row for each control: a few dozen. */
const complianceControlsRead = defineStatement('complianceControlsRead', `SELECT ${COLUMNS} FROM compliance_controls`);
/** Something happened since the last check, or that was a minute ago: some controls depend on the time, files and settings. */
export const checksAreDue = defineQuestion(
  `coalesce((SELECT max(ended_at) FROM compliance_controls) <
     greatest(${NEWEST_SEALED_AT}, clock_timestamp() - interval '1 minute'), true)`,
);
/** Locks the row, so that two workers that see a change record it once. */
const complianceControlLock = defineStatement('complianceControlLock')`
  SELECT status FROM compliance_controls WHERE control = $1 FOR UPDATE`;
const complianceControlUpsert = defineStatement('complianceControlUpsert')`
  INSERT INTO compliance_controls AS c (control, status, reason, population, sampled, exceptions, exception_count, observed,
    observed_sha256, probe_version, release, collector, started_at, ended_at)
  VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
  ON CONFLICT (control) DO UPDATE SET status = excluded.status, reason = excluded.reason, population = excluded.population,
    sampled = excluded.sampled, exceptions = excluded.exceptions, exception_count = excluded.exception_count,
    observed = excluded.observed, observed_sha256 = excluded.observed_sha256, probe_version = excluded.probe_version,
    release = excluded.release, collector = excluded.collector, started_at = excluded.started_at, ended_at = excluded.ended_at,
    changed_at = CASE WHEN c.status = excluded.status THEN c.changed_at ELSE clock_timestamp() END`;

export const readControlRows = (sql: Sql): Promise<ControlRow[]> => sql.query<ControlRow>(complianceControlsRead);

/** The status that is stored; undefined before the first check. */
export const lockControl = async (tx: Sql, control: string): Promise<ControlStatus | undefined> =>
  (await tx.query<{ status: ControlStatus }>(complianceControlLock, [control]))[0]?.status;

export async function storeControl(
  tx: Sql,
  row: Omit<ControlRow, 'started_at' | 'ended_at' | 'changed_at' | 'seconds_ago'> & {
    readonly startedAt: Date;
    readonly endedAt: Date;
  },
): Promise<void> {
  await tx.query(complianceControlUpsert, [
    row.control,
    row.status,
    row.reason,
    row.population,
    row.sampled,
    JSON.stringify(row.exceptions),
    row.exception_count,
    row.observed,
    row.observed_sha256,
    row.probe_version,
    row.release,
    row.collector,
    row.startedAt,
    row.endedAt,
  ]);
}
