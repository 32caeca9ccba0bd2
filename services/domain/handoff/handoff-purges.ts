import { handoffDeliveryPurge, handoffEndpointPurge } from './handoff.store.ts';

/** Tables that this module purges after their retention. */
export const handoffPurges = [handoffDeliveryPurge, handoffEndpointPurge] as const;
