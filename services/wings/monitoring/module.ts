import * as monitoringJobs from '#jobs/contracts/monitoring.ts';
import { measureProgressJob, recordProgressJob } from '#jobs/contracts/operations.ts';
import { defineModule } from '#services/core/module.ts';
import * as events from './audit-events.ts';
import { copySamplePurge } from './copy-samples.store.ts';
import { eventHourPurge } from './event-hours.store.ts';
import * as permissions from './permissions.ts';
import { securityReportPurge } from './reports/security-reports.store.ts';

export const monitoringModule = defineModule({
  name: 'monitoring',
  wing: 'monitoring',
  sentence: 'Counts what happens, for the dashboard, security reports and the capacity forecast.',
  tables: [
    ...['monitoring_state', 'event_hours', 'copy_samples', 'security_reports'],
    ...['progress_state', 'authentication_progress', 'component_progress', 'progress_reports'],
  ],
  permissions: Object.values(permissions),
  events: Object.values(events),
  jobs: [...Object.values(monitoringJobs), measureProgressJob, recordProgressJob],
  purged: [
    {
      by: monitoringJobs.cleanUpMonitoringRecordsJob,
      purges: [copySamplePurge, eventHourPurge, securityReportPurge],
    },
  ],
  operations: async () => {
    const { monitoringOperations, securityReportOperations, capacityOperations } = await import('./operations.ts');
    return [...monitoringOperations, ...securityReportOperations, ...capacityOperations];
  },
});
