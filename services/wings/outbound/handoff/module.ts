import * as handoffJobs from '#jobs/contracts/handoff.ts';
import { cleanUpExpiredSessionsJob } from '#jobs/contracts/identity.ts';
import { defineModule } from '#services/core/module.ts';
import * as events from './audit-events.ts';
import { handoffDeliveryPurge, handoffEndpointPurge } from './handoff.store.ts';
import * as permissions from './permissions.ts';
import { siemTargetPurge } from './siem/siem.store.ts';

export const handoffModule = defineModule({
  name: 'outbound/handoff',
  sentence: 'Pushes each event as a _hand-off_, and exports the sealed log to a SIEM (RFC 5424).',
  wing: 'handoff',
  tables: ['handoff_endpoints', 'handoff_deliveries', 'handoff_parked', 'siem_targets'],
  permissions: Object.values(permissions),
  events: Object.values(events),
  jobs: [...Object.values(handoffJobs)],
  purged: [{ by: cleanUpExpiredSessionsJob, purges: [handoffDeliveryPurge, handoffEndpointPurge, siemTargetPurge] }],
  deadLetters: async () => (await import('./dead-letters.ts')).deadLetters,
  operations: async () => (await import('./operations.ts')).handoffOperations,
  metrics: () => import('#observability/metrics/handoff.ts'),
});
