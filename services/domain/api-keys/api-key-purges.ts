import { purges } from './api-keys.store.ts';

/** Expired rows of this module that the purge job deletes. */
export const apiKeyPurges = purges;
