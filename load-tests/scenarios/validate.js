// Validates live tokens over and over: 1,000 requests a second under `load`.
import { optionsOf, validateLive } from './lib/suite.js';

export { summaryOf as handleSummary } from './lib/suite.js';

export const options = optionsOf({ validate: { rate: 1_000, limits: ['avg<50', 'p(99)<50'] } });

export const validate = validateLive;
