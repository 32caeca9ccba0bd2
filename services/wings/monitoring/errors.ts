import { defineError } from '#services/platform/define/error.ts';

export const securityReportUnknown = defineError({
  code: 'security_report_unknown',
  status: 404,
  title: 'Report not found',
  cause: 'No security report has this id.',
  fix: 'GET /v1/admin/reports lists the reports.',
});

export const securityReportNotReady = defineError({
  code: 'security_report_not_ready',
  status: 409,
  title: 'Report not finished',
  cause: 'The report is still being made, or it failed because no worker counted its period, so it has no content.',
  fix: 'GET /v1/admin/reports/{report_id} shows its status; sallyport queue list shows whether workers run.',
  retryable: true,
});

export const securityReportsBusy = defineError({
  code: 'security_reports_busy',
  status: 409,
  title: 'Too many reports wait',
  cause: 'Twenty requested reports are not finished.',
  fix: 'Wait until a report is finished; sallyport queue list shows whether workers run.',
  retryable: true,
});

export const progressInvalid = defineError({
  code: 'progress_invalid',
  title: 'Report of progress invalid',
  cause:
    'A percentage is not from 0 to 100, a time is not RFC 3339 in UTC, or another member has a wrong type or value.',
  fix: 'Correct the member that `problems` names.',
});
