import { defineError } from '#services/platform/define/error.ts';

export const controlUnknown = defineError({
  code: 'control_unknown',
  status: 404,
  title: 'Control not found',
  cause:
    'No compliance control that a person can confirm has this id. Controls of the kind machine are decided by their check.',
  fix: 'GET /v1/compliance/controls lists the controls; attest one of the kind attestation.',
});

export const reportUnknown = defineError({
  code: 'report_unknown',
  status: 404,
  title: 'Report not found',
  cause: 'No compliance report has this id.',
  fix: 'GET /v1/compliance/reports lists the reports.',
});

export const reportNotReady = defineError({
  code: 'report_not_ready',
  status: 409,
  title: 'Report not finished',
  cause: 'The report is still being built, was cancelled or has failed, so it has no content.',
  fix: 'GET /v1/compliance/reports/{report_id} shows its status and progress.',
  retryable: true,
});

export const reportEnded = defineError({
  code: 'report_ended',
  status: 409,
  title: 'Report already ended',
  cause: 'A report that is done, failed or cancelled cannot be cancelled.',
  fix: 'Request another report.',
});

export const reportsBusy = defineError({
  code: 'reports_busy',
  status: 409,
  title: 'Too many reports wait',
  cause: 'Twenty requested reports are not finished.',
  fix: 'Wait until a report is finished, or cancel one.',
  retryable: true,
});

export const violationUnknown = defineError({
  code: 'violation_unknown',
  status: 404,
  title: 'Violation not found',
  cause: 'No compliance violation has this id.',
  fix: 'GET /v1/compliance/violations lists the violations.',
});

export const violationResolved = defineError({
  code: 'violation_resolved',
  status: 409,
  title: 'Violation already resolved',
  cause: 'The control passes again, which resolved the violation; the next failure opens another one.',
  fix: 'Look for an unresolved violation of the same control.',
});
