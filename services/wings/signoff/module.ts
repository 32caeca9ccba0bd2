import { cleanUpIncidentsJob } from '#jobs/contracts/security.ts';
import { defineModule } from '#services/core/module.ts';
import * as events from './audit-events.ts';
import * as permissions from './permissions.ts';
import { signOffPurge, signOffsAreOpen } from './signoffs.store.ts';

export const signoffModule = defineModule({
  name: 'signoff',
  sentence: 'Lets several people approve one act before it runs: a _sign-off_.',
  wing: 'signoff',
  tables: ['signoffs', 'signoff_decisions', 'signoff_policies'],
  permissions: Object.values(permissions),
  ownScopes: ['own.signoffs'],
  events: Object.values(events),
  purged: [{ by: cleanUpIncidentsJob, purges: [signOffPurge] }],
  leftWork: [{ question: signOffsAreOpen, what: 'sign-offs are open, and no person can decide them' }],
  operations: async () => (await import('./operations.ts')).signOffOperations,
  tasks: async () => [(await import('./rotate-keys-task.ts')).rotateKeysTask],
  taskAdvances: async () => [(await import('./advance-rotate-keys-task.ts')).advanceRotateKeysTask],
  approval: async () => (await import('./read-approval.ts')).readApproval,
  metrics: () => import('#observability/metrics/signoff.ts'),
  tools: async () => (await import('./tools.ts')).signOffTools,
});
