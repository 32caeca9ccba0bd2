import { defineModule } from '../module.ts';
import * as events from './audit-events.ts';
import * as permissions from './permissions.ts';

export const revocationsModule = defineModule({
  name: 'revocations',
  sentence: 'Keeps what has been revoked in memory, and signs the _feed_ of it.',
  tables: ['revocations', 'feed_state', 'token_lifetimes'],
  permissions: Object.values(permissions),
  events: Object.values(events),
  metrics: () => Promise.all([import('#observability/metrics/revocations.ts')]),
});
