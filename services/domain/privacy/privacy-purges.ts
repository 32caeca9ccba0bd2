import { purges } from './phi-keys.store.ts';

/** Expired rows of this module that the purge job deletes. */
export const privacyPurges = purges;
