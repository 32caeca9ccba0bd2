import { defineAuditEvent } from '#services/platform/define/audit-event.ts';
import {
  code,
  count,
  counts,
  id,
  instant,
  listOf,
  name,
  objectOf,
  oneOf,
  patient,
  reason,
  user,
} from '#services/platform/define/audit-member.ts';
import { PHI_LEVELS, PHI_PURPOSES } from './phi-shapes.ts';
import { RETENTION_KINDS } from './retention/retention-shapes.ts';

const level = oneOf(...PHI_LEVELS);
const purpose = oneOf(...PHI_PURPOSES);

export const phiEncrypted = defineAuditEvent({
  type: 'phi.encrypted',
  detail: { purpose: purpose, level: level, key_version: count },
  meaning: 'A value about the subject was encrypted for `purpose`. The event has no part of the value.',
});

export const phiDecrypted = defineAuditEvent({
  type: 'phi.decrypted',
  outcomes: ['ok', 'refused'],
  detail: {
    purpose: purpose,
    level: level,
    key_version: count,
    code,
    basis: oneOf('policy', 'client', 'break_glass'),
    break_glass_id: id,
  },
  meaning:
    'A value about the subject was decrypted for `purpose`, or was refused with the error `code`. Committed before the value is returned.',
});

export const phiKeyCreated = defineAuditEvent({
  type: 'phi.key_created',
  meaning: 'A key-encryption key for data keys was created. New data keys are wrapped under it from now on.',
});

export const phiRotated = defineAuditEvent({
  type: 'phi.keys_rotated',
  outcomes: ['started', 'done'],
  detail: { rotation_id: id, reason, rewrapped: count, destroyed_keys: count },
  meaning:
    'Data keys are being re-wrapped under a new key-encryption key (`started`), or all of them are, and the older keys are destroyed (`done`).',
});

export const phiShreddedEvent = defineAuditEvent({
  type: 'phi.shredded',
  detail: { destroyed_keys: count, reason },
  meaning:
    'Every data key of the subject was destroyed: no value encrypted before can be decrypted. `reason` says why.',
});

export const phiAccessed = defineAuditEvent({
  type: 'phi.accessed',
  detail: {
    action: oneOf('view', 'create', 'change', 'delete', 'print', 'transmit'),
    purpose: purpose,
    reference: patient,
  },
  meaning:
    'An application reported a use of health data that it made itself: `action`, `purpose` and the `reference` of the record, never its content.',
});

export const phiDisclosed = defineAuditEvent({
  type: 'phi.disclosed',
  detail: { disclosure_id: id, purpose: purpose, disclosed_at: instant },
  meaning:
    'A disclosure to a third party was recorded. The recipient and what was disclosed are encrypted, and not here.',
});

export const fieldPolicyChanged = defineAuditEvent({
  type: 'phi.policy_changed',
  outcomes: ['set', 'deleted'],
  detail: { purpose: purpose, fields: listOf(name), reason },
  meaning: 'The fields that holders of the role may see for `purpose` were changed; `reason` says why.',
});

export const restrictionChanged = defineAuditEvent({
  type: 'phi.restriction_changed',
  outcomes: ['added', 'ended'],
  detail: { restriction_id: id, purposes: listOf(purpose), reason },
  meaning: 'A restriction that the subject asked for was added or ended; `reason` says why.',
});

export const breakGlassOpened = defineAuditEvent({
  type: 'phi.break_glass_opened',
  detail: { break_glass_id: id, user_id: user, expires_at: instant, reason },
  meaning:
    'A user opened emergency access to the health data of the subject until `expires_at`; `reason` says why. It raises an incident.',
});

export const breakGlassReviewedEvent = defineAuditEvent({
  type: 'phi.break_glass_reviewed',
  outcomes: ['justified', 'unjustified'],
  detail: { break_glass_id: id, user_id: user, reviewed_by: user, reason },
  meaning: 'Another user reviewed an emergency access, which ended it if it was still open; `reason` says why.',
});

export const privacyRequestMade = defineAuditEvent({
  type: 'phi.requested',
  outcomes: ['export', 'deletion'],
  detail: { request_id: id, reason },
  meaning: 'An export of what is known about the subject, or the destruction of its keys, was requested.',
});

export const privacyRequestDone = defineAuditEvent({
  type: 'phi.request_done',
  outcomes: ['export', 'deletion'],
  detail: {
    request_id: id,
    keys: count,
    restrictions: count,
    consents: count,
    uses: count,
    disclosures: count,
    destroyed_keys: count,
  },
  meaning:
    'The export or the destruction was carried out. The id of this event is the receipt, and its inclusion proof is the evidence.',
});

export const consentRecorded = defineAuditEvent({
  type: 'phi.consent_recorded',
  outcomes: ['granted', 'withdrawn'],
  detail: { purpose: purpose, version: count, terms: patient, reason },
  meaning: 'A version of the consent of the subject for `purpose` was recorded: given, or refused or withdrawn.',
});

export const legalHoldChanged = defineAuditEvent({
  type: 'phi.hold_changed',
  outcomes: ['placed', 'ended'],
  detail: { hold_id: id, reason },
  meaning: 'A legal hold on the records of the subject was placed or ended; `reason` says why.',
});

export const retentionPolicyChanged = defineAuditEvent({
  type: 'retention.policy_changed',
  detail: { kind: oneOf(...RETENTION_KINDS), keep_days: count, reason },
  meaning: 'How long records of `kind` are kept was changed; `reason` says why.',
});

export const retentionRequested = defineAuditEvent({
  type: 'retention.requested',
  outcomes: ['run', 'dry_run'],
  detail: { run_id: id, reason },
  meaning: 'A run of the retention policies was requested; `reason` says why.',
});

export const retentionApplied = defineAuditEvent({
  type: 'retention.applied',
  outcomes: ['removed', 'counted'],
  detail: { run_id: id, counts: objectOf(counts(...RETENTION_KINDS)) },
  meaning:
    'A run of the retention policies ended: `counts` has the records that it removed, or that a dry run counted.',
});
