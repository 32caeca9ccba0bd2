import { cleanUpIncidentsJob } from '#jobs/contracts/security.ts';
import { sendPingsJob } from '#jobs/contracts/signoff.ts';
import { defineModule } from '#services/core/module.ts';
import { run } from '#services/core/processor.ts';
import * as events from './audit-events.ts';
import { backchannelPurge, pingsAreDue } from './backchannel/backchannel.store.ts';
import * as permissions from './permissions.ts';
import { signOffPurge, signOffsAreOpen } from './signoffs.store.ts';

export const signoffModule = defineModule({
  name: 'signoff',
  sentence: 'Lets several people approve one act before it runs: a _sign-off_.',
  wing: 'signoff',
  tables: ['signoffs', 'signoff_decisions', 'signoff_policies', 'backchannel_requests'],
  permissions: Object.values(permissions),
  ownScopes: ['own.signoffs'],
  events: Object.values(events),
  purged: [{ by: cleanUpIncidentsJob, purges: [signOffPurge, backchannelPurge] }],
  jobs: [sendPingsJob],
  leftWork: [{ question: signOffsAreOpen, what: 'sign-offs are open, and no person can decide them' }],
  operations: async () => (await import('./operations.ts')).signOffOperations,
  grants: async () => [(await import('./backchannel/redeem-backchannel.ts')).backchannelGrant],
  processors: async () => {
    const { sendPings } = await import('./backchannel/send-pings.ts');
    return [run(sendPingsJob, sendPings, () => pingsAreDue)];
  },
  tasks: async () => [(await import('./rotate-keys-task.ts')).rotateKeysTask],
  taskAdvances: async () => [(await import('./advance-rotate-keys-task.ts')).advanceRotateKeysTask],
  approval: async () => (await import('./read-approval.ts')).readApproval,
  metrics: () => import('#observability/metrics/signoff.ts'),
  tools: async () => (await import('./tools.ts')).signOffTools,
});
