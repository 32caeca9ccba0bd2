// Sign in, issue, validate, refresh and revoke side by side, each right and fast enough.
import { check } from 'k6';
import { Trend } from 'k6/metrics';
import * as calls from './lib/api.js';
import {
  active,
  expected,
  expectedCode,
  issueAndValidate,
  optionsOf,
  refreshOwn,
  userId,
  validateLive,
} from './lib/suite.js';

export { summaryOf as handleSummary } from './lib/suite.js';

/** From sending a revocation to the first answer that refuses the token. */
const revokedWithin = new Trend('revoke_to_refusal', true);

export const options = optionsOf(
  {
    validate: { rate: 1_000, limits: ['p(99)<50'] },
    issue: { rate: 50, limits: ['avg<100'] },
    refresh: { rate: 20, limits: ['p(95)<100'] },
    revoke: { rate: 10, limits: ['p(95)<100'] },
    signIn: { rate: 1, op: 'sign-in', answerSeconds: 5, limits: ['p(95)<5000'] },
  },
  { latencies: { revoke_to_refusal: ['p(99)<250'] } },
);

export const validate = validateLive;
export const issue = issueAndValidate;
export const refresh = () => refreshOwn({ isRepeated: true });

export function revoke() {
  const issued = calls.issue(userId);
  if (!expected(issued, 'issue', 201)) return;
  const token = issued.json('access_token');
  const startedMs = Date.now();
  if (!expected(calls.revoke(token), 'revoke', 200)) return;
  const isRefused = check(calls.validate(token), {
    'a revoked token is refused with the reason': (it) =>
      it.status === 200 && calls.member(it, 'active') === false && calls.member(it, 'reason') === 'revoked',
  });
  if (isRefused) revokedWithin.add(Date.now() - startedMs);
}

export function signIn() {
  const response = calls.signIn();
  // Only a full hashing queue may refuse a sign-in.
  if (!expectedCode(response, 'sign-in', '200', '503 hashing_busy') || response.status !== 200) return;
  active(calls.validate(response.json('tokens.access_token')), 'a token of a sign-in is active');
}
