import { defineAuditEvent } from '#services/platform/define/audit-event.ts';

export const limitBypassed = defineAuditEvent({
  type: 'limit.bypassed',
  durability: 'durable',
  outcomes: ['ok'],
  meaning:
    'A caller with limits:bypass exceeded a rate limit; recorded once per caller, limit and minute. `detail.limit` names the limit, `detail.route_class` the route class.',
});
