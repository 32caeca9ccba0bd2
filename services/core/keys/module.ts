import * as keysJobs from '#jobs/contracts/keys.ts';
import { defineModule } from '../module.ts';
import { runFenced } from '../processor.ts';
import * as events from './audit-events.ts';
import * as permissions from './permissions.ts';

export const keysModule = defineModule({
  name: 'keys',
  sentence: 'Keeps signing keys (RFC 7517) and secrets that are encrypted at rest.',
  tables: ['jwks', 'key_policy', 'server_secrets'],
  permissions: Object.values(permissions),
  events: Object.values(events),
  jobs: [...Object.values(keysJobs)],
  operations: async () => (await import('./operations.ts')).keyOperations,
  firstSteps: { KEY_ENCRYPTION_KEY: permissions.keysRead.name },
  metrics: () => import('#observability/metrics/keys.ts'),
  processors: async () => {
    const { advanceKeyRing } = await import('./advance-key-ring.ts');
    type AdvancePorts = Parameters<typeof advanceKeyRing>[0];
    return [
      runFenced(keysJobs.advanceKeyRingJob, (ports: AdvancePorts, _run, caller) => advanceKeyRing(ports, caller)),
    ];
  },
});
