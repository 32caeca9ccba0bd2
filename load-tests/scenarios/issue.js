// Issues pairs for a user, and client-credentials tokens; each is active at once.
import * as calls from './lib/api.js';
import { active, expected, issueAndValidate, optionsOf } from './lib/suite.js';

export { summaryOf as handleSummary } from './lib/suite.js';

export const options = optionsOf({
  issue: { rate: 50, limits: ['avg<100', 'p(99)<100'] },
  clientCredentials: { rate: 50, op: 'client-credentials', limits: ['avg<100', 'p(99)<100'] },
});

export const issue = issueAndValidate;

export function clientCredentials() {
  const issued = calls.clientCredentials();
  if (expected(issued, 'client-credentials', 200))
    active(calls.validate(issued.json('access_token')), 'a client-credentials token is active');
}
