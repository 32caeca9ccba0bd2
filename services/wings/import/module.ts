import { cleanUpExpiredSessionsJob } from '#jobs/contracts/identity.ts';
import * as legacyJobs from '#jobs/contracts/legacy.ts';
import * as migrationJobs from '#jobs/contracts/migration.ts';
import { defineModule } from '#services/core/module.ts';
import { run } from '#services/core/processor.ts';
import * as events from './audit-events.ts';
import * as bridgeEvents from './bridge/audit-events.ts';
import { legacyEventPurge, legacyEventsAreDue } from './bridge/legacy-events.store.ts';
import { legacySessionPurge } from './bridge/legacy-sessions.store.ts';
import * as permissions from './permissions.ts';
import { endedLegacyUserPurge, importPurge, importsAreDue } from './run/imports.store.ts';

export const importModule = defineModule({
  name: 'import',
  wing: 'import',
  sentence: 'Imports users, sessions and webhooks of an old provider, and exports all users.',
  tables: [
    'imports',
    'import_chunks',
    'import_rejects',
    'import_notices',
    'legacy_users',
    'user_metadata',
    'legacy_sessions',
    'legacy_user_ends',
    'legacy_events',
  ],
  permissions: Object.values(permissions),
  events: [...Object.values(events), ...Object.values(bridgeEvents)],
  jobs: [...Object.values(migrationJobs), ...Object.values(legacyJobs)],
  leftWork: [
    { question: importsAreDue, what: 'imports have begun, and no job ends them' },
    { question: legacyEventsAreDue, what: 'events of the old provider wait, and no job applies them' },
  ],
  metrics: () => import('#observability/metrics/migration-bridge.ts'),
  operations: async () => (await import('./operations.ts')).importOperations,
  purged: [
    {
      by: cleanUpExpiredSessionsJob,
      purges: [importPurge, endedLegacyUserPurge, legacySessionPurge, legacyEventPurge],
    },
  ],
  processors: async () => {
    const { applyLegacyEvents } = await import('./bridge/apply-legacy-events.ts');
    const { advanceImports } = await import('./run/advance-imports.ts');
    return [
      run(legacyJobs.applyLegacyEventsJob, applyLegacyEvents, () => legacyEventsAreDue),
      run(migrationJobs.runImportsJob, advanceImports, () => importsAreDue),
    ];
  },
});
