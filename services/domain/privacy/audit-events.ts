import { defineAuditEvent } from '#services/platform/define/audit-event.ts';

export const phiEncrypted = defineAuditEvent({
  type: 'phi.encrypted',
  durability: 'durable',
  outcomes: ['ok'],
  meaning: 'A value about the subject was encrypted for `purpose`. The event has no part of the value.',
});

export const phiDecrypted = defineAuditEvent({
  type: 'phi.decrypted',
  durability: 'durable',
  outcomes: ['ok', 'refused'],
  meaning:
    'A value about the subject was decrypted for `purpose`, or was refused with the error `code`. Committed before the value is returned.',
});

export const phiKeyCreated = defineAuditEvent({
  type: 'phi.key_created',
  durability: 'durable',
  outcomes: ['ok'],
  meaning: 'A key-encryption key for data keys was created. New data keys are wrapped under it from now on.',
});

export const phiRotated = defineAuditEvent({
  type: 'phi.keys_rotated',
  durability: 'durable',
  outcomes: ['started', 'done'],
  meaning:
    'Data keys are being re-wrapped under a new key-encryption key (`started`), or all of them are, and the older keys are destroyed (`done`).',
});

export const phiShreddedEvent = defineAuditEvent({
  type: 'phi.shredded',
  durability: 'durable',
  outcomes: ['ok'],
  meaning:
    'Every data key of the subject was destroyed: no value encrypted before can be decrypted. `reason` says why.',
});

export const phiAccessed = defineAuditEvent({
  type: 'phi.accessed',
  durability: 'durable',
  outcomes: ['ok'],
  meaning:
    'An application reported a use of health data that it made itself: `action`, `purpose` and the `reference` of the record, never its content.',
});

export const phiDisclosed = defineAuditEvent({
  type: 'phi.disclosed',
  durability: 'durable',
  outcomes: ['ok'],
  meaning:
    'A disclosure to a third party was recorded. The recipient and what was disclosed are encrypted, and not here.',
});

export const fieldPolicyChanged = defineAuditEvent({
  type: 'phi.policy_changed',
  durability: 'durable',
  outcomes: ['set', 'deleted'],
  meaning: 'The fields that holders of the role may see for `purpose` were changed; `reason` says why.',
});

export const restrictionChanged = defineAuditEvent({
  type: 'phi.restriction_changed',
  durability: 'durable',
  outcomes: ['added', 'ended'],
  meaning: 'A restriction that the subject asked for was added or ended; `reason` says why.',
});

export const breakGlassOpened = defineAuditEvent({
  type: 'phi.break_glass_opened',
  durability: 'durable',
  outcomes: ['ok'],
  meaning:
    'A user opened emergency access to the health data of the subject until `expires_at`; `reason` says why. It raises an incident.',
});

export const breakGlassReviewedEvent = defineAuditEvent({
  type: 'phi.break_glass_reviewed',
  durability: 'durable',
  outcomes: ['justified', 'unjustified'],
  meaning: 'Another user reviewed an emergency access, which ended it if it was still open; `reason` says why.',
});

export const privacyRequestMade = defineAuditEvent({
  type: 'phi.requested',
  durability: 'durable',
  outcomes: ['export', 'deletion'],
  meaning: 'An export of what is known about the subject, or the destruction of its keys, was requested.',
});

export const privacyRequestDone = defineAuditEvent({
  type: 'phi.request_done',
  durability: 'durable',
  outcomes: ['export', 'deletion'],
  meaning:
    'The export or the destruction was carried out. The id of this event is the receipt, and its inclusion proof is the evidence.',
});

export const consentRecorded = defineAuditEvent({
  type: 'phi.consent_recorded',
  durability: 'durable',
  outcomes: ['granted', 'withdrawn'],
  meaning: 'A version of the consent of the subject for `purpose` was recorded: given, or refused or withdrawn.',
});

export const legalHoldChanged = defineAuditEvent({
  type: 'phi.hold_changed',
  durability: 'durable',
  outcomes: ['placed', 'ended'],
  meaning: 'A legal hold on the records of the subject was placed or ended; `reason` says why.',
});

export const retentionPolicyChanged = defineAuditEvent({
  type: 'retention.policy_changed',
  durability: 'durable',
  outcomes: ['ok'],
  meaning: 'How long records of `kind` are kept was changed; `reason` says why.',
});

export const retentionRequested = defineAuditEvent({
  type: 'retention.requested',
  durability: 'durable',
  outcomes: ['run', 'dry_run'],
  meaning: 'A run of the retention policies was requested; `reason` says why.',
});

export const retentionApplied = defineAuditEvent({
  type: 'retention.applied',
  durability: 'durable',
  outcomes: ['removed', 'counted'],
  meaning:
    'A run of the retention policies ended: `counts` has the records that it removed, or that a dry run counted.',
});
