import { actorIdOf } from '#services/core/audit/committed-values.ts';
import type { Sql } from '#services/core/ports.ts';
import { placeTime } from '#services/core/shared/pagination.ts';
import { defineQuestion } from '#services/platform/define/question.ts';
import { defineStatement } from '#services/platform/define/statement.ts';
import type { PhiEnvelope } from '../phi-shapes.ts';
import type { PrivacyRequestView } from './access-contract.ts';

/** `seq`: place of the completion in the sealed log, by index audit_events_event_id. */
const REQUEST = `r.id AS request_id, r.kind, r.subject_id, r.state, ${placeTime('r.created_at')} AS created_at,
  ${placeTime('r.due_at')} AS due_at, ${placeTime('r.finished_at')} AS finished_at,
  CASE WHEN r.event_id IS NOT NULL THEN jsonb_build_object('event_id', r.event_id, 'seq',
    (SELECT seq FROM audit_events e WHERE e.event_id = r.event_id)) END AS receipt, r.summary`;
const requestInsert = defineStatement('phiRequestInsert')`
  INSERT INTO phi_requests AS r (id, kind, subject_id) VALUES ($1, $2, $3) RETURNING ${REQUEST}`;
const requestRead = defineStatement('phiRequestRead', `SELECT ${REQUEST} FROM phi_requests r WHERE r.id = $1`);
const resultRead = defineStatement('phiRequestResultRead', `SELECT subject_id, result FROM phi_requests WHERE id = $1`);
/** Also deletions that a legal hold keeps waiting. Index: phi_requests_queued. */
export const privacyRequestsAreDue = defineQuestion(`EXISTS (SELECT FROM phi_requests WHERE state = 'queued')`);
/** By index phi_requests_queued. A deletion waits for the end of a legal hold. */
const requestReadNext = defineStatement('phiRequestReadNext')`
  SELECT ${REQUEST} FROM phi_requests r WHERE r.state = 'queued' AND (r.kind = 'export' OR NOT EXISTS (
    SELECT 1 FROM legal_holds h WHERE h.subject_id = r.subject_id AND h.ended_at IS NULL)) ORDER BY r.created_at LIMIT 1`;
const requestFinish = defineStatement('phiRequestFinish')`
  UPDATE phi_requests SET state = 'done', finished_at = clock_timestamp(), event_id = $2, summary = $3::jsonb, result = $4::jsonb
  WHERE id = $1 AND state = 'queued' RETURNING 1`;
/** Everything about a person besides the values themselves, which the application stores. Bounded: newest first. */
const exportRead = defineStatement('phiExportRead')`
  SELECT
    (SELECT coalesce(jsonb_agg(jsonb_build_object('level', level, 'version', version, 'created_at', created_at, 'shredded_at', shredded_at) ORDER BY level, version), '[]')
     FROM phi_data_keys WHERE subject_id = $1) AS keys,
    (SELECT coalesce(jsonb_agg(jsonb_build_object('purposes', purposes, 'created_at', created_at, 'ended_at', ended_at) ORDER BY created_at), '[]')
     FROM phi_restrictions WHERE subject_id = $1) AS restrictions,
    (SELECT coalesce(jsonb_agg(jsonb_build_object('purpose', purpose, 'version', version, 'granted', granted, 'terms', terms, 'recorded_at', recorded_at) ORDER BY recorded_at), '[]')
     FROM phi_consents WHERE subject_id = $1) AS consents,
    (SELECT coalesce(jsonb_agg(e.event ORDER BY e.occurred_at), '[]') FROM (
       SELECT occurred_at, jsonb_build_object('event_id', event_id, 'type', type, 'outcome', outcome, 'actor', ${actorIdOf('a')},
         'occurred_at', occurred_at, 'purpose', detail -> 'purpose', 'reference',
         (SELECT value FROM audit_personal r WHERE r.event_id = a.event_id AND r.field = 'detail.reference')) AS event
       FROM audit_personal p JOIN audit_events a USING (event_id)
       WHERE p.field = 'target' AND p.value = 'subject:' || $1 ORDER BY a.seq DESC LIMIT 10000) e) AS uses`;

export const insertRequest = async (
  tx: Sql,
  {
    id,
    kind,
    subjectId,
  }: { readonly id: string; readonly kind: PrivacyRequestView['kind']; readonly subjectId: string },
): Promise<PrivacyRequestView> =>
  (await tx.query<PrivacyRequestView>(requestInsert, [id, kind, subjectId]))[0] as PrivacyRequestView;
export const readRequest = async (sql: Sql, id: string): Promise<PrivacyRequestView | undefined> =>
  (await sql.query<PrivacyRequestView>(requestRead, [id]))[0];
export const readResult = async (
  sql: Sql,
  id: string,
): Promise<{ readonly subject_id: string; readonly result: PhiEnvelope | null } | undefined> =>
  (await sql.query<{ readonly subject_id: string; readonly result: PhiEnvelope | null }>(resultRead, [id]))[0];
export const readNextRequest = async (sql: Sql): Promise<PrivacyRequestView | undefined> =>
  (await sql.query<PrivacyRequestView>(requestReadNext))[0];
/** False when another run finished it first. */
export const finishRequest = async (
  tx: Sql,
  id: string,
  done: { readonly eventId: string; readonly summary: object; readonly result: PhiEnvelope | null },
): Promise<boolean> => {
  const result = done.result === null ? null : JSON.stringify(done.result);
  return (await tx.query(requestFinish, [id, done.eventId, JSON.stringify(done.summary), result])).length === 1;
};

type ExportRow = {
  readonly keys: readonly object[];
  readonly restrictions: readonly object[];
  readonly consents: readonly object[];
  readonly uses: readonly object[];
};
export const readExportRow = async (sql: Sql, subjectId: string): Promise<ExportRow> =>
  (await sql.query<ExportRow>(exportRead, [subjectId]))[0] as ExportRow;
