import { cleanUpExpiredSessionsJob } from '#jobs/contracts/identity.ts';
import { defineModule } from '../module.ts';
import { endedLegacyUserPurge, importPurge } from './migration.store.ts';

export const migrationModule = defineModule({
  name: 'migration',
  tables: ['imports', 'import_chunks', 'import_rejects', 'legacy_users', 'user_metadata'],
  purged: [{ by: cleanUpExpiredSessionsJob, purges: [importPurge, endedLegacyUserPurge] }],
});
