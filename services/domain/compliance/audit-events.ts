import { defineAuditEvent } from '#services/platform/define/audit-event.ts';

export const controlChanged = defineAuditEvent({
  type: 'compliance.control_changed',
  durability: 'durable',
  outcomes: ['pass', 'fail', 'error', 'not_applicable', 'unknown'],
  meaning:
    'The status of a compliance control changed to the outcome. `before` is the earlier status, absent at the first check; `observed_sha256` is the hash of what the check saw.',
});
