// Introspects live tokens (RFC 7662), and one that was never issued.
import { check } from 'k6';
import * as calls from './lib/api.js';
import { active, expected, liveToken, optionsOf } from './lib/suite.js';

export { summaryOf as handleSummary } from './lib/suite.js';

export const options = optionsOf({ introspect: { rate: 500, limits: ['avg<50', 'p(99)<50'] } });

const UNKNOWN_EVERY = 20;

export function introspect() {
  if (__ITER % UNKNOWN_EVERY === 0)
    check(calls.introspect('never-issued'), {
      'the answer for an unknown token says only that it is inactive': (it) => it.body === '{"active":false}',
    });
  const response = calls.introspect(liveToken());
  if (expected(response, 'introspect', 200)) active(response, 'a live token is active');
}
