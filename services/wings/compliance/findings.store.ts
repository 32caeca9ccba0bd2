import type { Sql } from '#services/core/ports.ts';
import { defineStatement } from '#services/platform/define/statement.ts';

/** An event of the sealed log that breaks a control. What it contains stays in the log. */
export type Finding = { readonly seq: number; readonly type: string };

export type OpenFindings = {
  readonly count: number;
  readonly last_seq: number;
  /** The first twenty by number. */
  readonly first: readonly Finding[];
};

/** The primary key, and compliance_findings_open. */
const findingsRead = defineStatement('complianceFindingsRead')`
  SELECT coalesce((SELECT read_to FROM compliance_log_reads WHERE control = $1 AND probe_version = $2), -1) AS read_to,
    (SELECT count(*)::int FROM compliance_findings WHERE control = $1 AND acknowledged_at IS NULL) AS open,
    ARRAY(SELECT json_build_object('seq', seq, 'type', type) FROM compliance_findings
      WHERE control = $1 AND acknowledged_at IS NULL ORDER BY seq LIMIT 20) AS first`;
/** Two workers may have read the same events: the place never moves back within a probe version. */
const logReadStore = defineStatement('complianceLogReadStore')`
  INSERT INTO compliance_log_reads AS r (control, probe_version, read_to) VALUES ($1, $2, $3)
  ON CONFLICT (control) DO UPDATE SET probe_version = excluded.probe_version, read_to = excluded.read_to
  WHERE r.probe_version < excluded.probe_version OR (r.probe_version = excluded.probe_version AND r.read_to < excluded.read_to)`;
const findingsStore = defineStatement('complianceFindingsStore')`
  INSERT INTO compliance_findings (control, seq, type, violation_id)
  SELECT $1, seq, type, (SELECT id FROM compliance_violations WHERE control = $1 AND resolved_at IS NULL)
  FROM unnest($2::bigint[], $3::text[]) found(seq, type) ON CONFLICT DO NOTHING`;
/** Index: compliance_findings_violation. */
const findingsAcknowledge = defineStatement('complianceFindingsAcknowledge')`
  WITH done AS (UPDATE compliance_findings SET acknowledged_at = clock_timestamp()
    WHERE violation_id = $1 AND seq <= $2 AND acknowledged_at IS NULL RETURNING seq)
  SELECT count(*)::int AS count FROM done`;
/** Index: compliance_findings_violation. A page of violations at most. */
const findingsOfViolations = defineStatement('complianceFindingsOfViolations')`
  SELECT violation_id, count(*)::int AS count, max(seq) AS last_seq,
    (array_agg(json_build_object('seq', seq, 'type', type) ORDER BY seq))[1:20] AS first
  FROM compliance_findings WHERE violation_id = ANY($1::uuid[]) AND acknowledged_at IS NULL GROUP BY violation_id`;

/** How far a control has read the log, and its findings that are not acknowledged. */
export const readFindings = async (
  sql: Sql,
  control: string,
  probeVersion: number,
): Promise<{ readonly read_to: number; readonly open: number; readonly first: readonly Finding[] }> =>
  (
    await sql.query<{ read_to: number; open: number; first: readonly Finding[] }>(findingsRead, [control, probeVersion])
  )[0] as { read_to: number; open: number; first: readonly Finding[] };

/** Stores how far a control has read, and what it found; its violation is open if it found anything. */
export async function storeFindings(
  tx: Sql,
  control: { readonly name: string; readonly probeVersion: number },
  { readTo, found }: { readonly readTo: number; readonly found: readonly Finding[] },
): Promise<void> {
  await tx.query(logReadStore, [control.name, control.probeVersion, readTo]);
  if (found.length > 0)
    await tx.query(findingsStore, [control.name, found.map(({ seq }) => seq), found.map(({ type }) => type)]);
}

/** Returns how many findings it acknowledged. */
export const acknowledgeFindings = async (tx: Sql, violationId: string, throughSeq: number): Promise<number> =>
  (await tx.query<{ count: number }>(findingsAcknowledge, [violationId, throughSeq]))[0]?.count ?? 0;

/** Unacknowledged findings by violation; none for a violation without any. */
export async function readOpenFindings(
  sql: Sql,
  violationIds: readonly string[],
): Promise<ReadonlyMap<string, OpenFindings>> {
  const rows = await sql.query<OpenFindings & { violation_id: string }>(findingsOfViolations, [violationIds]);
  return new Map(rows.map((row) => [row.violation_id, row]));
}
