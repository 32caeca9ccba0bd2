// 1,000 validations a second for 15 minutes under `load`, beside a little of everything else.
import { issueAndValidate, optionsOf, refreshOwn, validateLive } from './lib/suite.js';

export { summaryOf as handleSummary } from './lib/suite.js';

export const options = optionsOf(
  {
    validate: { rate: 1_000, limits: ['avg<50', 'p(99)<10'] },
    issue: { rate: 5, limits: ['avg<100'] },
    refresh: { rate: 5, limits: ['p(95)<100'] },
  },
  { loadSeconds: 900 },
);

export const validate = validateLive;
export const issue = issueAndValidate;
export const refresh = () => refreshOwn();
