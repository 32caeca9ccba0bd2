// Validates tokens that this API has never seen, each once, so that every signature is verified.
import * as calls from './lib/api.js';
import { active, expected, optionsOf } from './lib/suite.js';

export { summaryOf as handleSummary } from './lib/suite.js';

export const options = optionsOf({
  fresh: { rate: 200, limits: ['avg<50', 'p(99)<50'] },
  'client-credentials': { limits: ['avg<100'] },
});

export function fresh() {
  const issued = calls.clientCredentials();
  if (!expected(issued, 'client-credentials', 200)) return;
  const response = calls.validate(issued.json('access_token'), 'fresh');
  if (expected(response, 'fresh', 200)) active(response, 'a token never seen before is active');
}
