import { defineModule } from '../module.ts';
import * as events from './audit-events.ts';
import * as permissions from './permissions.ts';

export const limitsModule = defineModule({
  name: 'limits',
  sentence: 'Counts requests and refuses those above a rate limit.',
  permissions: Object.values(permissions),
  events: Object.values(events),
  metrics: () => import('#observability/metrics/limits.ts'),
});
