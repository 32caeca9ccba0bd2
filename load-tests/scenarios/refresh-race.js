// Sends one refresh token eight times at once: all callers must get the same successor, and it must work.
import { check } from 'k6';
import * as calls from './lib/api.js';
import { expected, optionsOf, userId } from './lib/suite.js';

export { summaryOf as handleSummary } from './lib/suite.js';

export const options = optionsOf({
  race: { rate: 5, op: null, answerSeconds: 1 },
  refresh: { limits: ['p(95)<250'] },
});

const AT_ONCE = 8;

export function race() {
  const issued = calls.issue(userId);
  if (!expected(issued, 'issue', 201)) return;
  const raced = calls.refreshAtOnce(issued.json('refresh_token'), AT_ONCE);
  for (const response of raced) expected(response, 'refresh', 200);
  const successors = new Set(raced.map((it) => calls.member(it, 'refresh_token')));
  check(successors, { 'a race for one refresh token has one successor': (it) => it.size === 1 });
  const [successor] = successors;
  check(calls.refresh(successor), { 'the successor of a race works': (it) => it.status === 200 });
}
