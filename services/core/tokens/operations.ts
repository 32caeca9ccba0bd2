import { operation } from '../shared/operation.ts';
import { readTokenEndpoint, readTokenStatisticsEndpoint } from './contract.ts';
import { explainEnd } from './explain-end.ts';
import { readToken } from './metadata/read-token.ts';
import { readTokenStatistics } from './metadata/read-token-statistics.ts';
import { explainEndEndpoint } from './why-contract.ts';

/** What is known about a token and about all tokens. */
export const tokenOperations = [
  operation(explainEndEndpoint, explainEnd),
  operation(readTokenStatisticsEndpoint, readTokenStatistics),
  operation(readTokenEndpoint, readToken),
];
