import { signOffPurge } from './signoffs.store.ts';

/** Tables that this module purges after their retention. */
export const signOffPurges = [signOffPurge] as const;
