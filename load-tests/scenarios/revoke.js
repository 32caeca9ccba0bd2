// Revokes tokens at one copy and times until another copy refuses them. SECOND_TARGET is the other copy.
import { check } from 'k6';
import { Trend } from 'k6/metrics';
import * as calls from './lib/api.js';
import { active, expected, optionsOf } from './lib/suite.js';

export { summaryOf as handleSummary } from './lib/suite.js';

const other = __ENV.SECOND_TARGET;
/** From sending a revocation to one copy until the first answer of the other copy that refuses the token. */
const revokedWithin = new Trend('revoke_to_refusal', true);
const LONGEST_MS = 5_000;

export const options = optionsOf(
  {
    reach: { rate: 5, op: null, answerSeconds: 1 },
    revoke: { limits: ['p(95)<100'] },
  },
  { latencies: { revoke_to_refusal: ['p(99)<1000'] } },
);

export function reach() {
  const issued = calls.clientCredentials();
  if (!expected(issued, 'client-credentials', 200)) return;
  const token = issued.json('access_token');
  active(calls.validate(token, 'validate', other), 'the other copy accepts a token before it is revoked');
  const startedMs = Date.now();
  if (!expected(calls.revoke(token), 'revoke', 200)) return;
  check(calls.validate(token), {
    'the copy that revoked a token refuses it at once': (it) => calls.member(it, 'active') === false,
  });
  let reason;
  while (reason === undefined && Date.now() - startedMs < LONGEST_MS) {
    const response = calls.validate(token, 'validate', other);
    if (response.status !== 200) break;
    reason = calls.member(response, 'reason');
  }
  revokedWithin.add(Date.now() - startedMs);
  check(reason, { 'the other copy refuses a revoked token with the reason': (it) => it === 'revoked' });
}
