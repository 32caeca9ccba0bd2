import { codePurge } from './codes.store.ts';

/** What this module removes once its time is over. */
export const oauthPurges = [codePurge] as const;
