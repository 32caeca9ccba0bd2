// Many users signed in at once: validates, refreshes and signs in over all of them.
import { check } from 'k6';
import * as calls from './lib/api.js';
import { active, expected, expectedCode, iteration, optionsOf, password, users } from './lib/suite.js';

export { summaryOf as handleSummary } from './lib/suite.js';

export const options = optionsOf({
  validate: { rate: 1_000, limits: ['avg<50', 'p(99)<50'] },
  refresh: { rate: 100, limits: ['p(95)<100'] },
  signIn: { rate: 1, op: 'sign-in', answerSeconds: 5, limits: ['p(95)<5000'] },
});

/** Below the life of an access token. */
const TOKENS_LIVE_MS = 600_000;
const startedMs = Date.now();
/** The families that only this virtual user refreshes. */
const mine = [];

const any = () => users[Math.floor(Math.random() * users.length)];

export function validate() {
  const isOver = Date.now() - startedMs > TOKENS_LIVE_MS;
  const { access_token: token, user_id: userId } = any();
  const response = calls.validate(token);
  if (!expected(response, 'validate', 200) || isOver) return;
  check(response, {
    'the token of every session is active, for its user': (it) =>
      calls.member(it, 'active') === true && calls.member(it, 'claims.sub') === userId,
  });
}

export function refresh() {
  const at = iteration();
  const family = at < users.length ? { token: users[at].refresh_token } : mine[at % mine.length];
  if (family === undefined) return;
  const response = calls.refresh(family.token);
  if (!expected(response, 'refresh', 200)) return;
  if (at < users.length) mine.push(family);
  family.token = response.json('refresh_token');
  active(calls.validate(response.json('access_token')), 'a refreshed token is active');
}

export function signIn() {
  const response = calls.signIn({ email: any().email, password });
  expectedCode(response, 'sign-in', '200', '503 hashing_busy');
}
