import { incidentPurge } from './incidents.store.ts';
import { unjudgedPurge } from './unjudged-events.store.ts';

/** What this module removes once its time is over. */
export const securityPurges = [incidentPurge, unjudgedPurge] as const;
