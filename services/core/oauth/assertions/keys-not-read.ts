import { clientKeysBusy, clientKeysUnavailable } from '#services/core/access/errors.ts';
import type { KeysNotRead } from './client-key-sets.ts';

/** The error (503) for a client whose keys or certificates could not be read, or not again. */
export const clientKeysNotRead = ({ why, retryAfterSeconds }: KeysNotRead): Error =>
  (why === 'busy' ? clientKeysBusy : clientKeysUnavailable)({ retryAfterSeconds });

/** For the metrics. */
export const outcomeOf = ({ why }: KeysNotRead): 'busy' | 'no_keys' => (why === 'busy' ? 'busy' : 'no_keys');
