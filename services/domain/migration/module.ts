import { cleanUpExpiredSessionsJob } from '#jobs/contracts/identity.ts';
import * as legacyJobs from '#jobs/contracts/legacy.ts';
import { defineModule } from '../module.ts';
import * as bridgeEvents from './bridge/audit-events.ts';
import { legacyEventPurge } from './bridge/legacy-events.store.ts';
import { legacySessionPurge } from './bridge/legacy-sessions.store.ts';
import { endedLegacyUserPurge, importPurge } from './migration.store.ts';

export const migrationModule = defineModule({
  name: 'migration',
  tables: [
    'imports',
    'import_chunks',
    'import_rejects',
    'legacy_users',
    'user_metadata',
    'legacy_sessions',
    'legacy_user_ends',
    'legacy_events',
  ],
  events: Object.values(bridgeEvents),
  jobs: Object.values(legacyJobs),
  metrics: () => import('#observability/metrics/migration-bridge.ts'),
  purged: [
    {
      by: cleanUpExpiredSessionsJob,
      purges: [importPurge, endedLegacyUserPurge, legacySessionPurge, legacyEventPurge],
    },
  ],
});
