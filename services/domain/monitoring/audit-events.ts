import { defineAuditEvent } from '#services/platform/define/audit-event.ts';

export const securityReportRequested = defineAuditEvent({
  type: 'monitoring.report_requested',
  durability: 'durable',
  outcomes: ['ok'],
  meaning:
    'A security report was requested, or is due by the schedule; `kind` says which, `from` and `to` of what time.',
});

export const securityReportMade = defineAuditEvent({
  type: 'monitoring.report_made',
  durability: 'durable',
  outcomes: ['ok', 'failed'],
  meaning:
    'A security report was made; `sha256` is the hash of its file, which shows later whether a copy was changed. Or it failed because its period was not counted within a day.',
});
