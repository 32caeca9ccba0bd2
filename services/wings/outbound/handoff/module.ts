import * as handoffJobs from '#jobs/contracts/handoff.ts';
import { cleanUpExpiredSessionsJob } from '#jobs/contracts/identity.ts';
import { defineModule } from '#services/core/module.ts';
import { run } from '#services/core/processor.ts';
import * as events from './audit-events.ts';
import type { HasHandoff } from './deliver-handoff.ts';
import { deliveriesWait, deliveryRetries } from './handoff.store.ts';
import * as permissions from './permissions.ts';
import type { HasSiem } from './siem/export-events.ts';
import { siemTargetPurge } from './siem/siem.store.ts';

export const handoffModule = defineModule({
  name: 'outbound/handoff',
  sentence: 'Pushes each event as a _hand-off_, and exports the sealed log to a SIEM (RFC 5424).',
  wing: 'handoff',
  tables: ['siem_targets'],
  permissions: Object.values(permissions),
  events: Object.values(events),
  leftWork: [{ question: deliveriesWait('NOT LIKE'), what: 'hand-offs wait, and no job pushes them' }],
  jobs: [...Object.values(handoffJobs)],
  purged: [{ by: cleanUpExpiredSessionsJob, purges: [siemTargetPurge] }],
  deadLetters: async () => [{ of: handoffJobs.pushHandoffsJob, rows: deliveryRetries }],
  operations: async () => (await import('./operations.ts')).handoffOperations,
  metrics: () => import('#observability/metrics/handoff.ts'),
  processors: async () => {
    const { handoffsAreDue, pushHandoffs } = await import('./push-handoffs.ts');
    const { exportEvents, exportIsDue } = await import('./siem/export-events.ts');
    return [
      run(handoffJobs.pushHandoffsJob, pushHandoffs, ({ handoff }: HasHandoff) =>
        handoffsAreDue(handoff.endpoints.map(({ name }) => name)),
      ),
      run(handoffJobs.exportEventsJob, exportEvents, ({ siem }: HasSiem) =>
        exportIsDue(siem.targets.map(({ name }) => name)),
      ),
    ];
  },
  watches: async () => [
    (await import('#observability/metrics/handoff.ts')).showHandoffsGivenUp,
    (await import('./siem/show-siem.ts')).showSiem,
  ],
});
