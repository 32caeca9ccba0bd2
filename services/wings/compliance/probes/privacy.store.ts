import type { Sql, Tx } from '#services/core/ports.ts';
import { defineStatement } from '#services/platform/define/statement.ts';
import { defineTally, type Tally } from './tally.store.ts';

/** An event is recorded shortly after the decision that it reports. */
const GRACE = `interval '5 seconds'`;
/** The minimum necessary does not bind treatment, the person's own requests, authorizations and legal duties (164.502(b)(2)). */
const BOUND_PURPOSES = `('payment', 'operations', 'public_health')`;

// A few rows for each role.
export const widePoliciesTally = defineTally(
  'complianceWidePoliciesTally',
  'SELECT count(*) FROM phi_field_policies',
  `SELECT role || ' ' || purpose AS resource FROM phi_field_policies
   WHERE '*' = ANY (fields) AND purpose IN ${BOUND_PURPOSES} OR role IN ('user', 'agent')`,
);
// The person of an event is a personal value. By the index audit_personal_target.
const restrictedUsesTally = defineTally(
  'complianceRestrictedUsesTally',
  'SELECT count(*) FROM phi_restrictions',
  `SELECT r.id AS resource FROM phi_restrictions r WHERE EXISTS (
     SELECT FROM audit_personal p JOIN audit_events e USING (event_id)
     WHERE p.field = 'target' AND p.value = 'subject:' || r.subject_id AND e.type = 'phi.decrypted' AND e.outcome = 'ok'
       AND e.detail ->> 'basis' <> 'break_glass' AND e.detail ->> 'purpose' = ANY (r.purposes)
       AND e.occurred_at > greatest(r.created_at + ${GRACE}, clock_timestamp() - interval '1 year') AND (r.ended_at IS NULL OR e.occurred_at < r.ended_at))`,
);
// By the index phi_requests_queued; a request that waits for the end of a legal hold is a deletion, not an export.
export const lateExportsTally = defineTally(
  'complianceLateExportsTally',
  `SELECT count(*) FROM phi_requests WHERE kind = 'export'`,
  `SELECT id AS resource FROM phi_requests WHERE kind = 'export' AND (state = 'queued' AND due_at < clock_timestamp()
     OR state = 'done' AND due_at < finished_at AND finished_at > clock_timestamp() - interval '31 days')`,
);
// Reads the events of one type by the index audit_events_type, and their rows by the primary key, hourly. A disclosure
// whose date is six years old may have been removed.
export const lostDisclosuresTally = defineTally(
  'complianceLostDisclosuresTally',
  `SELECT count(*) FROM audit_events WHERE type = 'phi.disclosed'`,
  `SELECT 'event ' || e.seq AS resource FROM audit_events e WHERE e.type = 'phi.disclosed'
     AND (e.detail ->> 'disclosed_at')::timestamptz > clock_timestamp() - interval '6 years'
     AND NOT EXISTS (SELECT FROM phi_disclosures d WHERE d.id = (e.detail ->> 'disclosure_id')::uuid)
   UNION ALL
   SELECT 'disclosure ' || d.id FROM phi_disclosures d WHERE d.recorded_at < clock_timestamp() - interval '10 minutes'
     AND NOT EXISTS (SELECT FROM audit_personal p JOIN audit_events e USING (event_id) WHERE p.field = 'target'
       AND p.value = 'subject:' || d.subject_id AND e.type = 'phi.disclosed' AND e.detail ->> 'disclosure_id' = d.id::text)`,
);
export const unreviewedAccessTally = defineTally(
  'complianceUnreviewedAccessTally',
  'SELECT count(*) FROM phi_break_glass',
  `SELECT id AS resource FROM phi_break_glass WHERE reviewed_at IS NULL AND opened_at < clock_timestamp() - interval '72 hours'`,
);
// Reads the events of one type of the last year by the index audit_events_type, their persons by the primary key of
// audit_personal, and versions by phi_consents_version, hourly.
const RESEARCH = `audit_events e WHERE e.type = 'phi.decrypted' AND e.outcome = 'ok' AND e.detail ->> 'purpose' = 'research'
  AND e.occurred_at > clock_timestamp() - interval '1 year'`;
export const unconsentedResearchTally = defineTally(
  'complianceUnconsentedResearchTally',
  `SELECT count(*) FROM ${RESEARCH}`,
  `SELECT e.seq AS resource FROM ${RESEARCH} AND NOT EXISTS (
     SELECT FROM audit_personal p JOIN phi_consents c ON c.subject_id = substr(p.value, length('subject:') + 1)
     WHERE p.event_id = e.event_id AND p.field = 'target' AND c.purpose = 'research' AND c.granted
       AND c.recorded_at < e.occurred_at + ${GRACE} AND NOT EXISTS (
         SELECT FROM phi_consents n WHERE n.subject_id = c.subject_id AND n.purpose = c.purpose AND n.version > c.version
           AND n.recorded_at < e.occurred_at - ${GRACE}))`,
);
/** `resource` names the protection that is missing. */
export const unprotectedRecordsTally = defineTally(
  'complianceUnprotectedRecordsTally',
  'SELECT 6',
  `SELECT 'no enabled trigger refuses ' || verb.name || ' of ' || kept.name AS resource
     FROM (VALUES ('phi_disclosures'), ('phi_consents')) kept(name), (VALUES ('UPDATE', 16), ('DELETE', 8)) verb(name, bit)
     WHERE NOT EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = kept.name::regclass AND t.tgenabled IN ('O', 'A')
       AND t.tgtype::int & verb.bit <> 0 AND t.tgtype::int & 2 <> 0 AND t.tgname = kept.name || '_kept')
   UNION ALL
   SELECT 'no constraint ' || wanted.name FROM (VALUES ('retention_policies_floor'), ('retention_policies_log')) wanted(name)
     WHERE NOT EXISTS (SELECT FROM pg_constraint c WHERE c.conrelid = 'retention_policies'::regclass AND c.conname = wanted.name
       AND c.convalidated)`,
);

const one = async <R>(rows: Promise<R[]>): Promise<R> => (await rows)[0] as R;

export const readRestrictedUsesTally = (sql: Sql): Promise<Tally> => one(sql.query<Tally>(restrictedUsesTally));

// Rows of a probe, which its transaction rolls back.
const probePoliciesDelete = defineStatement('complianceProbePoliciesDelete')`
  DELETE FROM phi_field_policies WHERE role = $1`;
const probeAccessExpire = defineStatement('complianceProbeAccessExpire')`
  UPDATE phi_break_glass SET opened_at = opened_at - interval '5 hours', expires_at = expires_at - interval '5 hours' WHERE id = $1`;

export async function deleteProbePolicies(tx: Tx, role: string): Promise<void> {
  await tx.query(probePoliciesDelete, [role]);
}

/** Moves an emergency access into the past. */
export async function expireProbeAccess(tx: Tx, id: string): Promise<void> {
  await tx.query(probeAccessExpire, [id]);
}
