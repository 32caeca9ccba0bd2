import { pushHandoffsJob } from '#jobs/contracts/handoff.ts';
import { deliveryRetries } from './handoff.store.ts';

export const deadLetters = [{ of: pushHandoffsJob, rows: deliveryRetries }];
