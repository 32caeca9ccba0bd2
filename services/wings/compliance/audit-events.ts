import { defineAuditEvent } from '#services/platform/define/audit-event.ts';
import {
  code,
  count,
  digest,
  id,
  instant,
  known,
  oneOf,
  reason,
  text,
} from '#services/platform/define/audit-member.ts';

const status = known('pass', 'fail', 'error', 'not_applicable', 'unknown');

export const controlChanged = defineAuditEvent({
  type: 'compliance.control_changed',
  outcomes: ['pass', 'fail', 'error', 'not_applicable', 'unknown'],
  detail: {
    before: status,
    clause: code,
    population: count,
    exceptions: count,
    observed_sha256: digest,
    probe_version: count,
  },
  meaning:
    'The status of a compliance control changed to the outcome. `before` is the earlier status, absent at the first check; `observed_sha256` is the hash of what the check saw.',
});

export const evidenceCollected = defineAuditEvent({
  type: 'compliance.evidence_collected',
  outcomes: ['pass', 'fail', 'error', 'not_applicable', 'unknown'],
  detail: { report_id: id, item_sha256: digest, clause: code },
  meaning:
    'The evidence of a control was collected for the report `report_id`; the outcome is the status of the control. `item_sha256` is the hash of the item in the report.',
});

export const reportRequested = defineAuditEvent({
  type: 'compliance.report_requested',
  detail: { kind: oneOf('demand', 'daily', 'monthly') },
  meaning: 'A compliance report was requested, or is due by the schedule; `kind` says which.',
});

export const reportBuilt = defineAuditEvent({
  type: 'compliance.report_built',
  detail: {
    kind: oneOf('demand', 'daily', 'monthly'),
    sha256: digest,
    pass: count,
    fail: count,
    error: count,
    not_applicable: count,
    unknown: count,
  },
  meaning: 'A compliance report was built and signed; `sha256` is the digest that was signed.',
});

export const reportEndedEarly = defineAuditEvent({
  type: 'compliance.report_ended',
  outcomes: ['cancelled', 'failed'],
  detail: { reason },
  meaning: 'A compliance report was cancelled (`reason` says why), or failed because it was not finished within a day.',
});

export const controlAttested = defineAuditEvent({
  type: 'compliance.control_attested',
  detail: { attestation_id: id, clause: code, expires_at: instant, reason },
  meaning: 'A person attested a compliance control until `expires_at`; `reason` is the note of the attester.',
});

export const violationChanged = defineAuditEvent({
  type: 'compliance.violation_changed',
  outcomes: ['open', 'assigned', 'accepted', 'acknowledged', 'resolved'],
  detail: {
    violation_id: id,
    due_at: instant,
    exceptions: count,
    reason,
    acknowledged: count,
    through_seq: count,
    owner: text,
  },
  meaning:
    'A violation was opened because a control failed, was assigned or accepted by a person (`reason` says why), had its events up to `through_seq` acknowledged by a person (`acknowledged` counts them), or was resolved because the control passes again.',
});
