import { operation } from '../shared/operation.ts';
import {
  discardDeadLetter,
  listDeadLetters,
  listJobQueues,
  readDeadLetter,
  retryDeadLetter,
} from './manage-dead-letters.ts';
import {
  discardDeadLetterEndpoint,
  listDeadLettersEndpoint,
  listJobQueuesEndpoint,
  readDeadLetterEndpoint,
  retryDeadLetterEndpoint,
} from './queues-contract.ts';

/** Queues and dead letters; the commands reach Redis themselves and are in `cli/queue.ts`. */
export const queueOperations = [
  operation(listJobQueuesEndpoint, listJobQueues),
  operation(listDeadLettersEndpoint, listDeadLetters),
  operation(readDeadLetterEndpoint, readDeadLetter),
  operation(retryDeadLetterEndpoint, retryDeadLetter),
  operation(discardDeadLetterEndpoint, discardDeadLetter),
];
