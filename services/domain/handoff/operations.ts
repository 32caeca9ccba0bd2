import { operation } from '../shared/operation.ts';
import { listHandoffDeadLettersEndpoint, replayHandoffEndpoint } from './contract.ts';
import { listHandoffDeadLetters, replayHandoff } from './given-up-handoffs.ts';

/** Dead letters of hand-offs, for operators. */
export const handoffOperations = [
  operation(listHandoffDeadLettersEndpoint, listHandoffDeadLetters),
  operation(replayHandoffEndpoint, replayHandoff),
];
