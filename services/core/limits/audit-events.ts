import { defineAuditEvent } from '#services/platform/define/audit-event.ts';
import { code } from '#services/platform/define/audit-member.ts';

export const limitBypassed = defineAuditEvent({
  type: 'limit.bypassed',
  detail: { limit: code, route_class: code },
  meaning:
    'A caller with limits:bypass exceeded a rate limit; recorded once per caller, limit and minute. `detail.limit` names the limit, `detail.route_class` the route class.',
});
