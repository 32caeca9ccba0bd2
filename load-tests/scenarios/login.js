// Signs users in with their password, below what the hashing of one machine can do.
import * as calls from './lib/api.js';
import { active, expected, iteration, optionsOf, password, users } from './lib/suite.js';

export { summaryOf as handleSummary } from './lib/suite.js';

export const options = optionsOf({
  signIn: { rate: 3, op: 'sign-in', answerSeconds: 5, limits: ['p(95)<2000', 'p(99)<5000'] },
});

export function signIn() {
  const response = calls.signIn({ email: users[iteration() % users.length].email, password });
  if (!expected(response, 'sign-in', 200)) return;
  active(calls.validate(response.json('tokens.access_token')), 'a token of a sign-in is active');
}
