import { incidentPurge } from './incidents.store.ts';
import { unjudgedPurge } from './unjudged-events.store.ts';

/** Tables that this module purges after their retention. */
export const securityPurges = [incidentPurge, unjudgedPurge] as const;
