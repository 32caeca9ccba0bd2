import { purges } from './api-keys.store.ts';

/** What this module removes once its time is over. */
export const apiKeyPurges = purges;
