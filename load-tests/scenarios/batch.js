// Validates 100 tokens in one request; results come in the order of the tokens.
import { check } from 'k6';
import * as calls from './lib/api.js';
import { expected, liveTokens, optionsOf } from './lib/suite.js';

export { summaryOf as handleSummary } from './lib/suite.js';

export const options = optionsOf({ batch: { rate: 20, limits: ['p(95)<100'] } });

const TOKENS = 100;

export function batch() {
  const broken = Math.floor(Math.random() * TOKENS);
  const asked = liveTokens(TOKENS);
  asked[broken] = 'not a token';
  const response = calls.validateBatch(asked);
  if (!expected(response, 'batch', 200)) return;
  const results = calls.member(response, 'results');
  check(results, {
    'the one broken token is inactive, at its place, and all others are active': (it) =>
      it.length === TOKENS && it.every(({ active }, at) => active === (at !== broken)),
  });
}
