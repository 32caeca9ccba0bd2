import * as securityJobs from '#jobs/contracts/security.ts';
import { defineModule } from '../module.ts';
import * as events from './audit-events.ts';
import { incidentPurge } from './incidents.store.ts';
import * as permissions from './permissions.ts';
import { unevaluatedPurge } from './unevaluated-events.store.ts';

export const securityModule = defineModule({
  name: 'security',
  sentence: 'Raises an _incident_ for signs of an attack, and acts on it at once.',
  tables: ['incidents', 'detection_progress', 'unjudged_events'],
  permissions: Object.values(permissions),
  events: Object.values(events),
  jobs: [...Object.values(securityJobs)],
  purged: [{ by: securityJobs.cleanUpIncidentsJob, purges: [incidentPurge, unevaluatedPurge] }],
  operations: async () => [
    ...(await import('./operations.ts')).incidentOperations,
    ...(await import('./lock-operations.ts')).lockOperations,
  ],
  metrics: () => import('#observability/metrics/security.ts'),
});
