import { cleanUpExpiredSessionsJob } from '#jobs/contracts/identity.ts';
import * as signalJobs from '#jobs/contracts/signals.ts';
import { defineModule } from '#services/core/module.ts';
import { run } from '#services/core/processor.ts';
import { deliveriesWait, handoffDeliveryPurge, handoffEndpointPurge } from '../handoff/handoff.store.ts';
import * as events from './audit-events.ts';
import * as permissions from './permissions.ts';
import { signalPurge } from './signals.store.ts';

export const signalsModule = defineModule({
  name: 'outbound/signals',
  wing: 'outbound',
  sentence: 'Sends and receives each _signal_ over a _stream_ (RFC 8417, RFC 8935, RFC 8936).',
  tables: [
    ...['signal_transmitters', 'signals_received', 'signal_streams', 'signal_exclusions'],
    // The queue of hand-offs carries streams too, also where hand-offs are left out.
    ...['handoff_endpoints', 'handoff_deliveries', 'handoff_parked'],
  ],
  permissions: Object.values(permissions),
  events: Object.values(events),
  jobs: [...Object.values(signalJobs)],
  purged: [{ by: cleanUpExpiredSessionsJob, purges: [signalPurge, handoffDeliveryPurge, handoffEndpointPurge] }],
  operations: async () => {
    const { signalStreamOperations, transmitterOperations } = await import('./operations.ts');
    const { streamOperations } = await import('./stream-operations.ts');
    return [...transmitterOperations, ...signalStreamOperations, ...streamOperations];
  },
  leftWork: [{ question: deliveriesWait('LIKE'), what: 'signals wait, and no stream delivers them' }],
  metrics: () => import('#observability/metrics/signals.ts'),
  processors: async () => {
    const { pushSignals, signalsAreDue } = await import('./push-signals.ts');
    return [run(signalJobs.pushSignalsJob, pushSignals, () => signalsAreDue)];
  },
});
