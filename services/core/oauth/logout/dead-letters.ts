import { sendLogoutTokensJob } from '#jobs/contracts/oauth.ts';
import { logoutTokenRetries } from './logout-tokens.store.ts';

export const deadLetters = [{ of: sendLogoutTokensJob, rows: logoutTokenRetries }];
