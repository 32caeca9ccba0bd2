import { cleanUpExpiredTokensJob } from '#jobs/contracts/tokens.ts';
import { defineModule } from '../module.ts';
import { apiKeyFinder, apiKeyPurges } from './api-keys.store.ts';
import * as events from './audit-events.ts';
import * as permissions from './permissions.ts';

export const apiKeysModule = defineModule({
  name: 'api-keys',
  sentence: 'Issues, verifies and rotates API keys, also for signed requests (RFC 9421).',
  tables: ['api_keys', 'api_key_uses', 'api_key_nonces'],
  permissions: Object.values(permissions),
  ownScopes: ['own.api_keys'],
  events: Object.values(events),
  purged: [{ by: cleanUpExpiredTokensJob, purges: apiKeyPurges }],
  operations: async () => (await import('./operations.ts')).apiKeyOperations,
  finders: async () => [apiKeyFinder],
  metrics: () => import('#observability/metrics/api-keys.ts'),
});
