import * as complianceJobs from '#jobs/contracts/compliance.ts';
import { defineModule } from '#services/core/module.ts';
import { attestationPurge } from './attestations.store.ts';
import * as events from './audit-events.ts';
import { controlAlerts } from './control-alerts.ts';
import * as permissions from './permissions.ts';
import { reportPurge } from './reports/reports.store.ts';
import { violationPurge } from './violations.store.ts';

export const complianceModule = defineModule({
  name: 'compliance',
  sentence: 'Checks each _control_, keeps the evidence and signs reports.',
  wing: 'compliance',
  tables: [
    'compliance_controls',
    'compliance_reports',
    'compliance_evidence',
    'compliance_attestations',
    'compliance_violations',
    'compliance_log_reads',
    'compliance_findings',
  ],
  permissions: Object.values(permissions),
  events: Object.values(events),
  alerts: [controlAlerts],
  jobs: [...Object.values(complianceJobs)],
  purged: [{ by: complianceJobs.cleanUpComplianceRecordsJob, purges: [reportPurge, attestationPurge, violationPurge] }],
  operations: async () => {
    const { controlOperations, violationOperations, reportOperations } = await import('./operations.ts');
    return [...controlOperations, ...violationOperations, ...reportOperations];
  },
  tasks: async () => [(await import('./report-task.ts')).reportTask],
  taskAdvances: async () => [(await import('./advance-report-task.ts')).advanceReportTask],
  metrics: () => import('./metrics.ts'),
  gaps: async () => (await import('./control-gaps.ts')).findControlGaps,
});
