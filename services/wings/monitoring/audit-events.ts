import { defineAuditEvent } from '#services/platform/define/audit-event.ts';
import { digest, instant, oneOf } from '#services/platform/define/audit-member.ts';

export const securityReportRequested = defineAuditEvent({
  type: 'monitoring.report_requested',
  detail: { kind: oneOf('weekly', 'demand'), from: instant, to: instant },
  meaning:
    'A security report was requested, or is due by the schedule; `kind` says which, `from` and `to` of what time.',
});

export const securityReportMade = defineAuditEvent({
  type: 'monitoring.report_made',
  outcomes: ['ok', 'failed'],
  detail: { kind: oneOf('weekly', 'demand'), from: instant, to: instant, sha256: digest },
  meaning:
    'A security report was made; `sha256` is the hash of its file, which shows later whether a copy was changed. Or it failed because its period was not counted within a day.',
});
