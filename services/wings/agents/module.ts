import { defineModule } from '#services/core/module.ts';
import { agentsLive } from './agents.store.ts';
import * as events from './audit-events.ts';
import * as permissions from './permissions.ts';

export const agentsModule = defineModule({
  name: 'agents',
  sentence: 'Registers each _agent_ with its owner, who can end it at once.',
  wing: 'agents',
  tables: ['agents', 'agent_limits'],
  permissions: Object.values(permissions),
  events: Object.values(events),
  leftWork: [{ question: agentsLive, what: 'agents live, and the API cannot kill them' }],
  operations: async () => (await import('./operations.ts')).agentOperations,
  ownedClients: async () => [(await import('./manage-agents.ts')).readOwnedClients],
  finders: async () => [(await import('./agents.store.ts')).agentFinder],
});
