import * as auditJobs from '#jobs/contracts/audit.ts';
import { defineModule } from '../module.ts';
import * as events from './audit-events.ts';
import * as permissions from './permissions.ts';

export const auditModule = defineModule({
  name: 'audit',
  sentence: 'Records events, seals them in a Merkle log and proves them.',
  tables: [
    'audit_outbox',
    'audit_log',
    'audit_events',
    'audit_personal',
    'audit_tiles',
    'audit_checkpoints',
    'audit_sinks',
  ],
  permissions: Object.values(permissions),
  events: Object.values(events),
  jobs: [...Object.values(auditJobs)],
  operations: async () => (await import('./operations.ts')).auditOperations,
  metrics: () => import('#observability/metrics/audit.ts'),
});
