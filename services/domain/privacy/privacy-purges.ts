import { purges as accessPurges } from './access/access.store.ts';
import { requestPurge } from './access/privacy-requests.store.ts';
import { purges } from './phi-keys.store.ts';

/** Expired rows of this module that the purge job deletes. */
export const privacyPurges = [...purges, ...accessPurges, requestPurge];
