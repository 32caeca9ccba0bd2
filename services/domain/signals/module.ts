import { cleanUpExpiredSessionsJob } from '#jobs/contracts/identity.ts';
import { defineModule } from '../module.ts';
import * as events from './audit-events.ts';
import * as permissions from './permissions.ts';
import { signalPurge } from './signals.store.ts';

export const signalsModule = defineModule({
  name: 'signals',
  tables: ['signal_transmitters', 'signals_received'],
  permissions: Object.values(permissions),
  events: Object.values(events),
  purged: [{ by: cleanUpExpiredSessionsJob, purges: [signalPurge] }],
  operations: async () => (await import('./operations.ts')).transmitterOperations,
  metrics: () => import('#observability/metrics/signals.ts'),
});
