import { defineModule } from '../module.ts';
import * as events from './audit-events.ts';

export const healthModule = defineModule({
  name: 'health',
  sentence:
    'Tells whether a copy is ready, and shows queues and facts of the installation, and finds things by what one knows of them.',
  tables: ['releases', 'installation_facts'],
  events: Object.values(events),
  operations: async () => [
    ...(await import('./queue-operations.ts')).queueOperations,
    ...(await import('./search-operations.ts')).searchOperations,
  ],
});
