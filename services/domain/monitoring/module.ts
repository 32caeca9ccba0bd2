import * as monitoringJobs from '#jobs/contracts/monitoring.ts';
import { defineModule } from '../module.ts';
import { copySamplePurge } from './copy-samples.store.ts';
import { eventHourPurge } from './event-hours.store.ts';
import * as permissions from './permissions.ts';

export const monitoringModule = defineModule({
  name: 'monitoring',
  tables: ['monitoring_state', 'event_hours', 'copy_samples'],
  permissions: Object.values(permissions),
  jobs: Object.values(monitoringJobs),
  purged: [{ by: monitoringJobs.cleanUpMonitoringRecordsJob, purges: [copySamplePurge, eventHourPurge] }],
  operations: async () => (await import('./operations.ts')).monitoringOperations,
});
