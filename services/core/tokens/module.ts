import * as tokensJobs from '#jobs/contracts/tokens.ts';
import { defineModule } from '../module.ts';
import * as events from './audit-events.ts';
import { tokenPurges } from './clean-up-expired-tokens.ts';
import * as permissions from './permissions.ts';

export const tokensModule = defineModule({
  name: 'tokens',
  sentence: 'Issues, refreshes, validates and revokes tokens (RFC 9068, RFC 9449).',
  tables: ['refresh_families', 'token_totals', 'idempotency_keys', 'dpop_proofs'],
  permissions: Object.values(permissions),
  events: Object.values(events),
  jobs: [...Object.values(tokensJobs)],
  purged: [{ by: tokensJobs.cleanUpExpiredTokensJob, purges: tokenPurges }],
  operations: async () => (await import('./operations.ts')).tokenOperations,
  metrics: () => Promise.all([import('#observability/metrics/tokens.ts')]),
});
