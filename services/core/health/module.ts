import {
  measureProgressJob,
  recordIncidentJob,
  recordProgressJob,
  rehearseRestoreJob,
} from '#jobs/contracts/operations.ts';
import { defineModule } from '../module.ts';
import * as events from './audit-events.ts';

export const operationsModule = defineModule({
  name: 'operations',
  tables: [
    'progress_state',
    'authentication_progress',
    'component_progress',
    'progress_reports',
    'releases',
    'installation_facts',
  ],
  events: Object.values(events),
  jobs: [measureProgressJob, recordProgressJob, recordIncidentJob, rehearseRestoreJob],
  operations: async () => (await import('./queue-operations.ts')).queueOperations,
  metrics: () => import('#observability/metrics/restore-drills.ts'),
});
