import * as complianceJobs from '#jobs/contracts/compliance.ts';
import { defineModule } from '../module.ts';
import * as events from './audit-events.ts';
import { compliancePurges } from './compliance-purges.ts';
import * as permissions from './permissions.ts';

export const complianceModule = defineModule({
  name: 'compliance',
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
  jobs: [...Object.values(complianceJobs)],
  purged: [{ by: complianceJobs.cleanUpComplianceRecordsJob, purges: compliancePurges }],
  metrics: () => import('./metrics.ts'),
});
