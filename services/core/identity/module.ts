import * as identityJobs from '#jobs/contracts/identity.ts';
import * as mailJobs from '#jobs/contracts/mail.ts';
import { defineModule } from '../module.ts';
import { run } from '../processor.ts';
import { queuesManage } from '../shared/permissions.ts';
import { sessionPurges } from './admin/identity-purges.ts';
import * as events from './audit-events.ts';
import * as permissions from './permissions.ts';

export const identityModule = defineModule({
  name: 'identity',
  sentence: 'Keeps accounts: sign-up, sign-in, sessions, second factors, mail.',
  tables: [
    'users',
    'user_roles',
    'sessions',
    'accounts',
    'imported_hash_keys',
    'verifications',
    'two_factors',
    'passkeys',
    'social_sign_ins',
    'login_challenges',
    'login_failures',
    'one_time_codes',
    'invitations',
    'mail_outbox',
  ],
  permissions: Object.values(permissions),
  ownScopes: ['own.sessions'],
  events: Object.values(events),
  jobs: [...Object.values(identityJobs), ...Object.values(mailJobs)],
  purged: [{ by: identityJobs.cleanUpExpiredSessionsJob, purges: sessionPurges }],
  operations: async () => [
    ...(await import('./account-operations.ts')).accountOperations,
    ...(await import('./factor-operations.ts')).factorOperations,
    ...(await import('./session-operations.ts')).sessionOperations,
    ...(await import('./user-operations.ts')).userOperations,
    ...(await import('./invitation-operations.ts')).invitationOperations,
  ],
  finders: async () => [(await import('./users/users.store.ts')).userFinder],
  gaps: async () => (await import('./admin/identity-gaps.ts')).findIdentityGaps,
  firstSteps: { SMTP_URL: queuesManage.name, 'second-administrator': permissions.usersRead.name },
  metrics: () => Promise.all([import('#observability/metrics/identity.ts'), import('#observability/metrics/mail.ts')]),
  processors: async () => {
    const { deliverMails, mailsAreDue } = await import('./mail/deliver-mail.ts');
    return [run(mailJobs.deliverMailJob, deliverMails, () => mailsAreDue)];
  },
  watches: async () => [(await import('#observability/metrics/mail.ts')).showMailsGivenUp],
});
