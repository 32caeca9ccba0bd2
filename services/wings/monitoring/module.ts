import * as monitoringJobs from '#jobs/contracts/monitoring.ts';
import { measureProgressJob, recordProgressJob } from '#jobs/contracts/operations.ts';
import { defineModule, type HasCopy } from '#services/core/module.ts';
import type { Ports } from '#services/core/ports.ts';
import { run, runFenced, runUnfenced } from '#services/core/processor.ts';
import * as events from './audit-events.ts';
import { copySamplePurge } from './copy-samples.store.ts';
import { countIsDue, eventHourPurge } from './event-hours.store.ts';
import * as permissions from './permissions.ts';
import { securityReportPurge } from './reports/security-reports.store.ts';

export const monitoringModule = defineModule({
  name: 'monitoring',
  wing: 'monitoring',
  sentence: 'Counts what happens, for the dashboard, security reports and the capacity forecast.',
  tables: [
    ...['monitoring_state', 'event_hours', 'copy_samples', 'security_reports'],
    ...['progress_state', 'authentication_progress', 'component_progress'],
  ],
  permissions: Object.values(permissions),
  events: Object.values(events),
  jobs: [...Object.values(monitoringJobs), measureProgressJob, recordProgressJob],
  purged: [
    { by: monitoringJobs.cleanUpMonitoringRecordsJob, purges: [copySamplePurge, eventHourPurge, securityReportPurge] },
  ],
  operations: async () => (await import('./operations.ts')).monitoringOperations,
  processors: async () => {
    const { countEventHours } = await import('./count-event-hours.ts');
    const { makeSecurityReports, securityReportsAreDue } = await import('./reports/make-security-reports.ts');
    const { measureProgress, measuringIsDue } = await import('./progress/measure-progress.ts');
    const { recordProgress } = await import('./progress/record-progress.ts');
    return [
      runFenced(monitoringJobs.countEventHoursJob, countEventHours, () => countIsDue),
      runFenced(monitoringJobs.makeSecurityReportsJob, makeSecurityReports, () => securityReportsAreDue),
      run(measureProgressJob, measureProgress, () => measuringIsDue),
      // Its rows make a repeated run harmless, and a report is not lost to a newer one's fence.
      runUnfenced(recordProgressJob, (ports: Pick<Ports, 'transact'>, { payload }) => recordProgress(ports, payload)),
    ];
  },
  copyWatches: async () => {
    const { createCopySampler } = await import('./sample-copy.ts');
    return [
      (ports: Parameters<typeof createCopySampler>[0] & HasCopy) => {
        const sampler = createCopySampler(ports, ports.copy);
        sampler.start();
        return sampler;
      },
    ];
  },
  tools: async () => (await import('./tools.ts')).monitoringTools,
});
