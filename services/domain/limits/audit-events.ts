import { defineAuditEvent } from '#services/platform/define/audit-event.ts';

export const limitBypassed = defineAuditEvent({
  type: 'limit.bypassed',
  durability: 'durable',
  outcomes: ['ok'],
  meaning:
    'A caller with limits:bypass went past a used-up rate limit; once for each caller, limit and minute. `detail.limit` names the limit, `detail.route_class` the class of the route.',
});
