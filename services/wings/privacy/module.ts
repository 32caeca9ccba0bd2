import * as privacyJobs from '#jobs/contracts/privacy.ts';
import { cleanUpExpiredTokensJob } from '#jobs/contracts/tokens.ts';
import { defineModule } from '#services/core/module.ts';
import * as events from './audit-events.ts';
import * as permissions from './permissions.ts';
import { phiKeyPurges } from './phi-keys.store.ts';

export const privacyModule = defineModule({
  name: 'privacy',
  sentence: 'Encrypts health data, and keeps its consents, each _restriction_, and retention.',
  wing: 'privacy',
  tables: [
    'phi_keys',
    'phi_data_keys',
    'phi_rotations',
    'phi_field_policies',
    'phi_restrictions',
    'phi_break_glass',
    'phi_disclosures',
    'phi_requests',
    'phi_consents',
    'legal_holds',
    'retention_policies',
    'retention_runs',
  ],
  permissions: Object.values(permissions),
  events: Object.values(events),
  jobs: [...Object.values(privacyJobs)],
  purged: [{ by: cleanUpExpiredTokensJob, purges: phiKeyPurges }],
  operations: async () => (await import('./all-operations.ts')).privacyOperations,
  metrics: () => import('#observability/metrics/privacy.ts'),
});
