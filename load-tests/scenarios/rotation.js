// Rotates the signing key while tokens are validated and issued: no valid token may be refused.

import { check, sleep } from 'k6';
import encoding from 'k6/encoding';
import * as calls from './lib/api.js';
import { expected, issueAndValidate, optionsOf, userId, validateLive } from './lib/suite.js';

export { summaryOf as handleSummary } from './lib/suite.js';

export const options = optionsOf({
  validate: { rate: 500, limits: ['p(99)<50'] },
  issue: { rate: 20, limits: ['avg<100'] },
  rotate: { once: 0.2 },
});

const kidOf = (token) => JSON.parse(encoding.b64decode(token.split('.')[0], 'rawurl', 's')).kid;
const signingKid = () => kidOf(calls.issue(userId).json('access_token'));
/** The hold period, and the time until every copy has the new key. */
const LONGEST_SECONDS = 60;

export const setup = () => ({ before: signingKid() });

export const validate = validateLive;
export const issue = issueAndValidate;

export function rotate({ before }) {
  expected(calls.post('/v1/keys/rotate', 'rotate', {}, calls.basic), 'rotate', 202);
  let kid = before;
  for (let second = 0; kid === before && second < LONGEST_SECONDS; second += 1) {
    sleep(1);
    kid = signingKid();
  }
  check(kid, { 'a new key signs after its hold period': (it) => it !== before });
}
