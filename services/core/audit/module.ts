import * as auditJobs from '#jobs/contracts/audit.ts';
import type { Config } from '#services/platform/config/load.ts';
import { defineModule } from '../module.ts';
import type { Ports } from '../ports.ts';
import { fenced, run } from '../processor.ts';
import type { PurgePorts } from '../shared/purge.ts';
import * as events from './audit-events.ts';
import * as permissions from './permissions.ts';
import type { SealPorts } from './seal/seal-events.ts';

type AsSealer = { readonly sealing: Pick<Ports, 'transact' | 'sql'> };
type HasAuditSettings = { readonly config: Pick<Config, 'audit'> };

/** Only the jobs of the sealed log use its database role. */
const asSealer = <P extends AsSealer>(ports: P): P & AsSealer['sealing'] => ({ ...ports, ...ports.sealing });

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
  ownScopes: ['own.events'],
  events: Object.values(events),
  jobs: [...Object.values(auditJobs)],
  operations: async () => (await import('./operations.ts')).auditOperations,
  finders: async () => (await import('./read/find-events.ts')).auditFinders,
  metrics: () => import('#observability/metrics/audit.ts'),
  processors: async () => {
    const { maintainAuditOutbox } = await import('./maintain-audit-outbox.ts');
    const { sealEvents, sealingIsDue } = await import('./seal/seal-events.ts');
    const { thinCheckpoints } = await import('./seal/thin-checkpoints.ts');
    return [
      run(auditJobs.maintainAuditOutboxJob, (ports: PurgePorts & AsSealer & HasAuditSettings, { fence, signal }) =>
        maintainAuditOutbox(fenced(asSealer(ports), fence), ports.config.audit, signal),
      ),
      run(auditJobs.thinAuditCheckpointsJob, (ports: AsSealer, { fence, signal }) =>
        thinCheckpoints(fenced(asSealer(ports), fence), signal),
      ),
      run(
        auditJobs.sealAuditEventsJob,
        (ports: SealPorts & AsSealer, jobRun, caller) => sealEvents(asSealer(ports), jobRun, caller),
        () => sealingIsDue,
      ),
    ];
  },
  watches: async () => [(await import('./seal/log-gauges.ts')).watchBacklog],
});
