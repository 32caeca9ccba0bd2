// What a fleet asks: 90 % validate, 5 % refresh, 4 % issue, 1 % revoke.
import { check } from 'k6';
import * as calls from './lib/api.js';
import { expected, issueAndValidate, optionsOf, refreshOwn, userId, validateLive } from './lib/suite.js';

export { summaryOf as handleSummary } from './lib/suite.js';

export const options = optionsOf({
  validate: { rate: 900, limits: ['avg<50', 'p(99)<50'] },
  refresh: { rate: 50, limits: ['p(95)<100'] },
  issue: { rate: 40, limits: ['avg<100'] },
  revoke: { rate: 10, limits: ['p(95)<100'] },
});

export const validate = validateLive;
export const refresh = () => refreshOwn();
export const issue = issueAndValidate;

export function revoke() {
  const issued = calls.issue(userId);
  if (!expected(issued, 'issue', 201)) return;
  const token = issued.json('access_token');
  if (!expected(calls.revoke(token), 'revoke', 200)) return;
  check(calls.validate(token), {
    'a revoked token is refused with the reason': (it) =>
      calls.member(it, 'active') === false && calls.member(it, 'reason') === 'revoked',
  });
}
