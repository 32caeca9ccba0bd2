import { incidentPurge } from './incidents.store.ts';

/** What this module removes once its time is over. */
export const securityPurges = [incidentPurge] as const;
