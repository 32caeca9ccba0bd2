import { defineModule } from '../module.ts';
import * as events from './audit-events.ts';

export const healthModule = defineModule({
  name: 'health',
  sentence: 'Tells whether a copy is ready, and shows queues and facts of the installation.',
  tables: ['releases', 'installation_facts'],
  events: Object.values(events),
  operations: async () => (await import('./queue-operations.ts')).queueOperations,
});
