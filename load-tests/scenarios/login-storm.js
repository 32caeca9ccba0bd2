// More sign-ins than can be hashed, beside validation: the surplus is answered 503 hashing_busy, validation stays fast.
import * as calls from './lib/api.js';
import { active, expectedCode, iteration, optionsOf, password, users, validateLive } from './lib/suite.js';

export { summaryOf as handleSummary } from './lib/suite.js';

export const options = optionsOf({
  validate: { rate: 1_000, limits: ['p(99)<50'] },
  signIn: { rate: 40, op: 'sign-in', answerSeconds: 5, limits: ['p(99)<10000'] },
});

export const validate = validateLive;

export function signIn() {
  const response = calls.signIn({ email: users[iteration() % users.length].email, password });
  if (!expectedCode(response, 'sign-in', '200', '503 hashing_busy') || response.status !== 200) return;
  active(calls.validate(response.json('tokens.access_token')), 'a token of a sign-in is active');
}
