import { sessionPurge, verificationPurge } from './identity.store.ts';

/** What this module removes once its time is over. */
export const sessionPurges = [sessionPurge, verificationPurge] as const;
