// What a fleet asks while its copies are replaced: 500 requests a second, of which every one must be answered.
import { check } from 'k6';
import * as calls from './lib/api.js';
import { expected, issueAndValidate, liveToken, optionsOf, refreshOwn, validateLive } from './lib/suite.js';

export { summaryOf as handleSummary } from './lib/suite.js';

// A slow answer must not keep the next request from its time.
const answerSeconds = 1;

// Two requests each for refresh and issue.
export const options = optionsOf({
  validate: { rate: 360, answerSeconds },
  introspect: { rate: 20, answerSeconds },
  refresh: { rate: 30, answerSeconds },
  issue: { rate: 30, answerSeconds },
});

export const validate = validateLive;
export const refresh = () => refreshOwn();
export const issue = issueAndValidate;

export function introspect() {
  const response = calls.introspect(liveToken());
  if (expected(response, 'introspect', 200))
    check(response, { 'a live token is introspected as active': (it) => calls.member(it, 'active') === true });
}
