import { cleanUpExpiredSessionsJob } from '#jobs/contracts/identity.ts';
import * as oauthJobs from '#jobs/contracts/oauth.ts';
import { defineModule } from '../module.ts';
import { run } from '../processor.ts';
import * as events from './audit-events.ts';
import { logoutTokenRetries } from './logout/logout-tokens.store.ts';
import { oauthPurges } from './oauth-purges.ts';
import * as permissions from './permissions.ts';

export const oauthModule = defineModule({
  name: 'oauth',
  sentence: 'Lets users allow clients to act for them: OAuth 2.0 (RFC 6749) and OpenID Connect.',
  tables: [
    'oauth_codes',
    'oauth_pushed_requests',
    'oauth_consents',
    'oauth_device_grants',
    'logout_tokens',
    'client_assertions',
  ],
  permissions: Object.values(permissions),
  ownScopes: ['own.applications'],
  events: Object.values(events),
  jobs: [...Object.values(oauthJobs)],
  purged: [{ by: cleanUpExpiredSessionsJob, purges: oauthPurges }],
  deadLetters: async () => [{ of: oauthJobs.sendLogoutTokensJob, rows: logoutTokenRetries }],
  operations: async () => (await import('./consents/operations.ts')).consentOperations,
  metrics: () => import('#observability/metrics/oauth.ts'),
  processors: async () => {
    const { logoutTokensAreDue, sendLogoutTokens } = await import('./logout/send-logout-tokens.ts');
    return [run(oauthJobs.sendLogoutTokensJob, sendLogoutTokens, () => logoutTokensAreDue)];
  },
  watches: async () => [(await import('#observability/metrics/oauth.ts')).showLogoutTokensGivenUp],
});
