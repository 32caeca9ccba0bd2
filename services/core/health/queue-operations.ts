import { operation } from '../shared/operation.ts';
import {
  discardDeadLetter,
  listDeadLetters,
  listJobQueues,
  readDeadLetter,
  retryDeadLetter,
} from './manage-dead-letters.ts';
import { readFirstSteps } from './production-gaps.ts';
import {
  discardDeadLetterEndpoint,
  listDeadLettersEndpoint,
  listJobQueuesEndpoint,
  readDeadLetterEndpoint,
  readFirstStepsEndpoint,
  retryDeadLetterEndpoint,
} from './queues-contract.ts';

/** First steps, queues and dead letters; commands of queues reach Redis themselves and are in `cli/queue.ts`. */
export const queueOperations = [
  operation(readFirstStepsEndpoint, readFirstSteps),
  operation(listJobQueuesEndpoint, listJobQueues),
  operation(listDeadLettersEndpoint, listDeadLetters),
  operation(readDeadLetterEndpoint, readDeadLetter),
  operation(retryDeadLetterEndpoint, retryDeadLetter),
  operation(discardDeadLetterEndpoint, discardDeadLetter),
];
