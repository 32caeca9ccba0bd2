import { defineStatement } from '#services/platform/define/statement.ts';
import type { AuditRow } from '../audit/record-event.ts';
import type { Sql } from '../ports.ts';
import { defineFinder } from '../shared/finder.store.ts';
import { placeTime } from '../shared/pagination.ts';
import { definePurge } from '../shared/purge.store.ts';
import type { IncidentView } from './contract.ts';
import type { IncidentState, IncidentSubject, Severity } from './incident-shapes.ts';
import { incidentsRead } from './permissions.ts';

/** Times in RFC 3339 with milliseconds, UTC. */
const COLUMNS = `id AS incident_id, detection, severity, jsonb_build_object('kind', subject_kind, 'id', subject_id) AS subject, state, count,
  ${placeTime('first_seen_at')} AS first_seen_at, ${placeTime('last_seen_at')} AS last_seen_at, detail, actions, reason,
  ${placeTime('changed_at')} AS changed_at, changed_by`;

/**
 * incidents_one_open allows one incident per detection and subject until it is closed: concurrent sightings wait for
 * each other and increase its count. The first one writes its audit row in the same statement.
 */
const incidentRaise = defineStatement('incidentRaise')`
  WITH raised AS (
    INSERT INTO incidents AS i (id, detection, severity, subject_kind, subject_id, detail)
    VALUES ($1, $2, $3, $4, $5, $6::jsonb)
    ON CONFLICT (detection, subject_kind, subject_id) WHERE state <> 'closed' DO UPDATE SET
      count = i.count + 1, last_seen_at = clock_timestamp(), detail = i.detail || excluded.detail
    RETURNING id, count, actions, xmax = 0 AS is_new
  ), logged AS (
    INSERT INTO audit_outbox (type, outcome, actor_kind, actor_id, target_kind, target_id, client_id, ip_hash, agent_hash,
      detail, traceparent)
    SELECT $7, $8, $9, $10, 'incident', id::text, $11, $12, $13, $14::jsonb, $15 FROM raised WHERE is_new
  )
  SELECT id, count, actions, is_new FROM raised`;

const incidentActionAdd = defineStatement('incidentActionAdd')`
  UPDATE incidents SET actions = array_append(actions, $2) WHERE id = $1 AND NOT $2 = ANY (actions)`;

/** Sorts all matches: operators handle incidents by hand, so there are few. */
const incidentsPage = defineStatement('incidentsPage')`
  SELECT ${COLUMNS} FROM incidents
  WHERE ($1::text IS NULL OR state = $1) AND ($2::text IS NULL OR detection = $2) AND ($3::text IS NULL OR severity = $3)
    AND ($4::text IS NULL OR subject_id = $4)
    AND ($5::timestamptz IS NULL OR (date_trunc('milliseconds', last_seen_at), id) < ($5, $6::uuid))
  ORDER BY date_trunc('milliseconds', last_seen_at) DESC, id DESC LIMIT $7`;

const incidentRead = defineStatement('incidentRead', `SELECT ${COLUMNS} FROM incidents WHERE id = $1`);

/** Few incidents are open at a time; the index on open ones is scanned. */
const incidentsOpenCount = defineStatement('incidentsOpenCount')`
  SELECT severity, count(*)::int AS incidents FROM incidents WHERE state <> 'closed' GROUP BY severity`;

/** Of few rows, as above. */
const incidentsBetweenCount = defineStatement('incidentsBetweenCount')`
  SELECT detection, severity, count(*)::int AS raised, sum(count)::bigint AS sightings,
    count(*) FILTER (WHERE state <> 'closed')::int AS open
  FROM incidents WHERE first_seen_at >= $1::timestamptz AND first_seen_at < $2::timestamptz
  GROUP BY detection, severity ORDER BY detection, severity`;

const incidentLock = defineStatement('incidentLock', `SELECT state FROM incidents WHERE id = $1 FOR UPDATE`);

const incidentChange = defineStatement('incidentChange')`
  UPDATE incidents SET state = $2, reason = $3, changed_at = clock_timestamp(), changed_by = $4 WHERE id = $1
  RETURNING ${COLUMNS}`;

/** Closed incidents stay as long as HIPAA requires for documentation (45 CFR 164.316(b)(2)); open ones stay. */
export const incidentPurge = definePurge({
  table: 'incidents',
  ends: 'last_seen_at',
  stays: `interval '6 years'`,
  where: `state = 'closed'`,
});

// By the primary key. Each report forgets the ids of older ones: no attempt at one comes after two days.
const progressReportInsert = defineStatement('progressReportInsert')`
  WITH old AS (DELETE FROM progress_reports WHERE id IN (
    SELECT id FROM progress_reports WHERE stored_at < now() - interval '2 days' ORDER BY stored_at LIMIT 100))
  INSERT INTO progress_reports (id) VALUES ($1) ON CONFLICT DO NOTHING RETURNING id`;

/** False when a report of an embedding application was stored before. */
export const insertReport = async (tx: Sql, id: string): Promise<boolean> =>
  (await tx.query(progressReportInsert, [id])).length > 0;

export type Raised = {
  readonly id: string;
  readonly count: number;
  /** Actions that ran for it so far. */
  readonly actions: readonly string[];
  readonly is_new: boolean;
};

export async function upsertIncident(
  sql: Sql,
  incident: {
    readonly id: string;
    readonly detection: string;
    readonly severity: Severity;
    readonly subject: IncidentSubject;
    readonly detail: Readonly<Record<string, unknown>>;
  },
  [, type, outcome, actorKind, actorId, , , clientId, ipHash, agentHash, detail, traceparent]: AuditRow,
): Promise<Raised> {
  const [row] = await sql.query<Raised>(incidentRaise, [
    incident.id,
    incident.detection,
    incident.severity,
    incident.subject.kind,
    incident.subject.id,
    JSON.stringify(incident.detail),
    type,
    outcome,
    actorKind,
    actorId,
    clientId,
    ipHash,
    agentHash,
    detail,
    traceparent,
  ]);
  return row as Raised;
}

export async function addAction(sql: Sql, id: string, action: string): Promise<void> {
  await sql.query(incidentActionAdd, [id, action]);
}

export type IncidentFilter = {
  readonly state?: string | undefined;
  readonly detection?: string | undefined;
  readonly severity?: string | undefined;
  readonly subjectId?: string | undefined;
};

export const readIncidentsPage = (
  sql: Sql,
  filter: IncidentFilter,
  after: readonly string[] | undefined,
  limit: number,
): Promise<IncidentView[]> =>
  sql.query(incidentsPage, [
    filter.state ?? null,
    filter.detection ?? null,
    filter.severity ?? null,
    filter.subjectId ?? null,
    after?.[0] ?? null,
    after?.[1] ?? null,
    limit,
  ]);

export async function readIncidentRow(sql: Sql, id: string): Promise<IncidentView | undefined> {
  const [row] = await sql.query<IncidentView>(incidentRead, [id]);
  return row;
}

export async function lockIncident(tx: Sql, id: string): Promise<IncidentState | undefined> {
  const [row] = await tx.query<{ state: IncidentState }>(incidentLock, [id]);
  return row?.state;
}

export async function changeIncidentRow(
  tx: Sql,
  change: { readonly id: string; readonly state: IncidentState; readonly reason: string; readonly by: string },
): Promise<IncidentView> {
  const [row] = await tx.query<IncidentView>(incidentChange, [change.id, change.state, change.reason, change.by]);
  return row as IncidentView;
}

export const countOpenBySeverity = (sql: Sql): Promise<{ readonly severity: Severity; readonly incidents: number }[]> =>
  sql.query(incidentsOpenCount);

export type IncidentCount = {
  readonly detection: string;
  readonly severity: Severity;
  readonly raised: number;
  readonly sightings: number;
  /** Of those raised, not closed now. */
  readonly open: number;
};

export const countRaisedBetween = (sql: Sql, from: string, to: string): Promise<IncidentCount[]> =>
  sql.query(incidentsBetweenCount, [from, to]);

/** Scans the incidents, which operators handle by hand. */
export const incidentFinder = defineFinder({
  kind: 'incident',
  permission: incidentsRead,
  from: 'incidents',
  id: 'id',
  label: 'detection',
  detail: 'state',
  parts: ['detection'],
  hasUuid: true,
});
