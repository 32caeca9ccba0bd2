// Refreshes token families; every virtual user has its own family and sometimes loses an answer.
import { optionsOf, refreshOwn } from './lib/suite.js';

export { summaryOf as handleSummary } from './lib/suite.js';

export const options = optionsOf({ refresh: { rate: 50, limits: ['p(95)<100'] } });

const LOST_EVERY = 5;

export const refresh = () => refreshOwn({ isRepeated: __ITER % LOST_EVERY === 0 });
