import * as complianceJobs from '#jobs/contracts/compliance.ts';
import { defineModule } from '#services/core/module.ts';
import { runFenced } from '#services/core/processor.ts';
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
  operations: async () => (await import('./operations.ts')).complianceOperations,
  tasks: async () => [(await import('./report-task.ts')).reportTask],
  taskAdvances: async () => [(await import('./advance-report-task.ts')).advanceReportTask],
  metrics: () => import('./metrics.ts'),
  score: async () => (await import('./read-security-score.ts')).readSecurityScore,
  firstSteps: { 'backups-recent': permissions.complianceRead.name },
  gaps: async () => (await import('./control-gaps.ts')).findControlGaps,
  processors: async () => {
    const { checkControls, checksAreDue } = await import('./check-controls.ts');
    const { createProbeMemory } = await import('./probes/probe-memory.ts');
    const { advanceReports, reportsAreDue } = await import('./reports/advance-reports.ts');
    type ChecksPorts = Parameters<typeof checkControls>[0];
    const memory = createProbeMemory();
    return [
      runFenced(
        complianceJobs.checkControlsJob,
        (ports: ChecksPorts, { signal }, caller) => checkControls(ports, { pace: 'frequent', signal, memory }, caller),
        () => checksAreDue,
      ),
      runFenced(complianceJobs.checkControlsThoroughlyJob, (ports: ChecksPorts, { signal }, caller) =>
        checkControls(ports, { pace: 'thorough', signal }, caller),
      ),
      runFenced(complianceJobs.advanceComplianceReportsJob, advanceReports, () => reportsAreDue),
    ];
  },
  watches: async () => [(await import('./show-controls.ts')).showControls],
  tools: async () => (await import('./tools.ts')).complianceTools,
  checks: async () => [(await import('./control-gaps.ts')).recomputedCheck],
});
