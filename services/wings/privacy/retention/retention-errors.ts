import { defineError } from '#services/platform/define/error.ts';

export const retentionTooShort = defineError({
  code: 'retention_too_short',
  status: 409,
  title: 'Records must be kept for longer',
  cause: 'Evidence is kept for six years at least (45 CFR 164.316(b)(2)), and sealed events are never deleted.',
  fix: 'Set keep_days to 2192 or more; for audit_events to null.',
});

export const retentionRunUnknown = defineError({
  code: 'retention_run_unknown',
  status: 404,
  title: 'Retention run not found',
  cause: 'No run has this id.',
  fix: 'GET /v1/privacy/retention lists the last runs.',
});

export const legalHoldUnknown = defineError({
  code: 'legal_hold_unknown',
  status: 404,
  title: 'Legal hold not found',
  cause: 'The person has no legal hold with this id, or it ended before.',
  fix: 'GET /v1/privacy/subjects/{subject_id}/holds lists the holds.',
});

export const subjectHeld = defineError({
  code: 'subject_held',
  status: 409,
  title: 'Records are under a legal hold',
  cause: 'A legal hold protects the records of this person, so they are not deleted.',
  fix: 'End the hold first, if it no longer applies.',
});
