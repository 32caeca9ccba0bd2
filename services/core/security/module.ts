import { recordIncidentJob } from '#jobs/contracts/operations.ts';
import * as securityJobs from '#jobs/contracts/security.ts';
import { defineModule } from '../module.ts';
import { runFenced, runUnfenced } from '../processor.ts';
import * as events from './audit-events.ts';
import { incidentFinder, incidentPurge } from './incidents.store.ts';
import * as permissions from './permissions.ts';
import { unevaluatedPurge } from './unevaluated-events.store.ts';

export const securityModule = defineModule({
  name: 'security',
  sentence: 'Raises an _incident_ for signs of an attack, and acts on it at once.',
  tables: ['incidents', 'detection_progress', 'unjudged_events', 'progress_reports'],
  permissions: Object.values(permissions),
  events: Object.values(events),
  jobs: [...Object.values(securityJobs), recordIncidentJob],
  purged: [{ by: securityJobs.cleanUpIncidentsJob, purges: [incidentPurge, unevaluatedPurge] }],
  operations: async () => [
    ...(await import('./operations.ts')).incidentOperations,
    ...(await import('./lock-operations.ts')).lockOperations,
  ],
  finders: async () => [incidentFinder],
  metrics: () => import('#observability/metrics/security.ts'),
  processors: async () => {
    const { detectIncidents, detectionsAreDue } = await import('./detect-incidents.ts');
    const { recordIncident } = await import('./record-incident.ts');
    return [
      runFenced(securityJobs.detectIncidentsJob, detectIncidents, () => detectionsAreDue),
      // Its row makes a repeated run harmless, and a report is not lost to a newer one's fence.
      runUnfenced(recordIncidentJob, recordIncident),
    ];
  },
});
